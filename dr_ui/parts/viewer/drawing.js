// Drawing one panel: the eye, the map over it, outlines, region, magnifier. The same code draws the screen and the file.

const NIGHT = "#0b0b0d"; // photographs stand on near-black in both themes
const MAGNIFIER = 2.5;

// Where the eye lies in a panel: the eye is 1 wide and `ratio` high.
function placement(view, width, height, ratio) {
  const scale = Math.min(width, height / ratio) * view.zoom;
  return { scale, x: width / 2 - view.x * scale, y: height / 2 - view.y * scale };
}

function enlarged(place, point, factor) {
  return {
    scale: place.scale * factor,
    x: point.x - (point.x - place.x) * factor,
    y: point.y - (point.y - place.y) * factor,
  };
}

function drawContent(context, scene, panel, place, pixel) {
  const { scale, x, y } = place;
  context.fillStyle = NIGHT;
  context.fillRect(-1e4, -1e4, 3e4, 3e4);
  if (panel.reason) return; // no heatmap: the eye alone would pass for one
  context.imageSmoothingEnabled = true;
  context.imageSmoothingQuality = "high";
  context.drawImage(photographOf(scene), x, y, scale, scale * scene.ratio);
  if (panel.decoded) {
    dim(context, place, scene);
    drawMap(context, scene, panel, place, pixel);
  }
  for (const outline of shownOutlines(scene)) {
    const dashes = dashesOf(outline.dash);
    strokePath(context, outline.path, place, outline.color, pixel, { onMap: Boolean(panel.decoded), dashes });
    if (!panel.decoded || scene.view.zoom >= 2) letter(context, outline, place, pixel);
  }
  drawPending(context, scene, place, pixel);
}

// The eye steps back where a map is laid over it, as far as the map is opaque.
function dim(context, { scale, x, y }, scene) {
  context.fillStyle = `rgba(0,0,0,${RAMPS.dimming * scene.look.opacity})`;
  context.fillRect(x, y, scale, scale * scene.ratio);
}

function drawMap(context, scene, panel, place, pixel) {
  paintMap(panel.decoded, scene.look, topOf(scene, panel));
  const [left, up, width, height] = panel.place;
  if (scene.look.style !== "contour") {
    context.imageSmoothingEnabled = scene.look.style === "heat";
    context.drawImage(
      panel.decoded.canvas, place.x + left * place.scale, place.y + up * place.scale,
      width * place.scale, height * place.scale);
    context.imageSmoothingEnabled = true;
    return;
  }
  for (const { level, path } of panel.decoded.contours) {
    context.save();
    context.globalAlpha = scene.look.opacity;
    context.translate(place.x + left * place.scale, place.y + up * place.scale);
    context.scale(width * place.scale, height * place.scale);
    const unit = pixel / (width * place.scale);
    context.strokeStyle = "rgba(0,0,0,.6)";
    context.lineWidth = 3.6 * unit;
    context.stroke(path);
    const at = 3 * Math.round(255 * (0.55 + 0.35 * level));
    context.strokeStyle = `rgb(${POSITIVE_RAMP[at]},${POSITIVE_RAMP[at + 1]},${POSITIVE_RAMP[at + 2]})`;
    context.lineWidth = 1.8 * unit;
    context.stroke(path);
    context.restore();
  }
}

// The value that gets the brightest color: one for all models, or each model's own.
function topOf(scene, panel) {
  if (scene.look.ownScale) return panel.top;
  return Math.max(...scene.panels.filter((one) => one.decoded).map((one) => one.top));
}

// 2 px with a dark halo where a panel is looked at closely. On a small map, whose eye is dimmed, a fine line without
// halo, since many outlines would hide the map that they surround.
function strokePath(context, path, place, color, pixel, { dashes = [], onMap = false } = {}) {
  const close = Math.min(1, Math.max(0.5, place.scale / pixel / 700));
  const unit = (pixel * close) / place.scale;
  context.save();
  context.translate(place.x, place.y);
  context.scale(place.scale, place.scale);
  context.lineJoin = "round";
  if (!onMap || close > 0.75) {
    context.strokeStyle = "rgba(0,0,0,.65)";
    context.lineWidth = 4 * unit;
    context.stroke(path);
  }
  context.setLineDash(dashes.map((length) => length * unit));
  context.strokeStyle = color;
  context.lineWidth = 2 * unit;
  context.stroke(path);
  context.restore();
}

function dashesOf(dash) {
  return dash.split(" ").filter(Boolean).map(Number);
}

function letter(context, outline, place, pixel) {
  const [x, y] = outline.anchor;
  context.font = `600 ${11 * pixel}px sans-serif`;
  context.lineWidth = 3 * pixel;
  context.strokeStyle = "rgba(0,0,0,.8)";
  context.fillStyle = outline.color;
  const room = context.canvas.width / context.getTransform().a - context.measureText(outline.code).width - 3 * pixel;
  const at = place.x + x * place.scale + 3 * pixel;
  const spot = [at < room + 30 * pixel ? Math.min(at, room) : at, place.y + y * place.scale - 3 * pixel];
  context.strokeText(outline.code, ...spot);
  context.fillText(outline.code, ...spot);
}

function polygon(points, closed = true) {
  const path = new Path2D();
  points.forEach(([x, y], number) => (number ? path.lineTo(x, y) : path.moveTo(x, y)));
  if (closed) path.closePath();
  return path;
}

function clipped(context, shape, draw) {
  context.save();
  context.beginPath();
  shape();
  context.clip();
  draw();
  context.restore();
}

// `panels` holds one panel, or two to swipe between.
function drawPanel(context, scene, panels, width, height, pixel) {
  const place = placement(scene.view, width, height, scene.ratio);
  drawSides(context, scene, panels, place, width, height, pixel);
  if (scene.pointer) {
    const point = { x: place.x + scene.pointer[0] * place.scale, y: place.y + scene.pointer[1] * place.scale };
    if (scene.look.magnifier) {
      const radius = Math.min(width, height) * (panels.length > 1 ? 0.2 : 0.28);
      clipped(
        context, () => context.arc(point.x, point.y, radius, 0, 7),
        () => drawSides(context, scene, panels, enlarged(place, point, MAGNIFIER), width, height, pixel));
      context.beginPath();
      context.arc(point.x, point.y, radius, 0, 7);
      context.strokeStyle = "#ffffff";
      context.lineWidth = 1.5 * pixel;
      context.stroke();
    } else if (!scene.look.drawing) {
      cross(context, point, pixel);
    }
  }
  if (panels.length > 1) divider(context, scene.look.split * width, height, pixel);
}

// Why a panel is blank, in lines as wide as the panel.
function writeReason(context, text, x, y, width, height, pixel) {
  const size = (width < 170 * pixel ? 10 : 12) * pixel;
  context.font = `${size}px sans-serif`;
  context.fillStyle = "#f2f4f6";
  let line = "", at = y + 2 * size;
  for (const word of text.split(" ")) {
    const longer = line ? `${line} ${word}` : word;
    if (line && context.measureText(longer).width > width - 16 * pixel) {
      context.fillText(line, x + 8 * pixel, at);
      [line, at] = [word, at + 1.35 * size];
      if (at > y + height - size) return;
    } else {
      line = longer;
    }
  }
  context.fillText(line, x + 8 * pixel, at);
}

function drawSides(context, scene, panels, place, width, height, pixel) {
  const split = panels.length > 1 ? scene.look.split * width : width;
  clipped(context, () => context.rect(0, 0, split, height), () => {
    drawContent(context, scene, panels[0], place, pixel);
    if (panels[0].reason) writeReason(context, panels[0].reason, 0, 0, split, height, pixel);
  });
  if (panels.length > 1) {
    clipped(
      context, () => context.rect(split, 0, width - split, height), () => {
        drawContent(context, scene, panels[1], place, pixel);
        if (panels[1].reason) writeReason(context, panels[1].reason, split, 0, width - split, height, pixel);
      });
  }
}

function divider(context, x, height, pixel) {
  context.fillStyle = "#ffffff";
  context.fillRect(x - pixel, 0, 2 * pixel, height);
  context.beginPath();
  context.arc(x, height / 2, 9 * pixel, 0, 7);
  context.fill();
  context.fillStyle = "#222222";
  context.font = `600 ${12 * pixel}px sans-serif`;
  context.fillText("↔", x - 6 * pixel, height / 2 + 4 * pixel);
}

function cross(context, point, pixel) {
  for (const [color, wide] of [["rgba(0,0,0,.6)", 3], ["#ffffff", 1]]) {
    context.strokeStyle = color;
    context.lineWidth = wide * pixel;
    context.beginPath();
    for (const [x, y] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
      context.moveTo(point.x + 4 * pixel * x, point.y + 4 * pixel * y);
      context.lineTo(point.x + 10 * pixel * x, point.y + 10 * pixel * y);
    }
    context.stroke();
  }
}
