// A picture file of exactly what is seen: each panel under its set-up's line, a legend, and where it all comes from.

const EXPORT_SCALE = 2;
const INK = "#16202a";

function composePicture(scene, frames, columns, about) {
  const gap = 8, head = 28, side = frames[0];
  const rows = Math.ceil(frames.length / columns);
  const width = Math.max(columns * (side.width + gap) + gap, 640);
  const lines = captionLines({ ...about, note: "Research use only, not for diagnosis." }, Math.floor((width - 2 * gap) / 5.6));
  const above = rows * (side.height + head + gap) + gap;
  const legend = scene.panels.length > 1 ? 62 : shownOutlines(scene).length ? 28 : 8;
  const canvas = document.createElement("canvas");
  canvas.width = width * EXPORT_SCALE;
  canvas.height = (above + legend + 15 * lines.length + 10) * EXPORT_SCALE;
  const context = canvas.getContext("2d");
  context.scale(EXPORT_SCALE, EXPORT_SCALE);
  context.fillStyle = "#ffffff";
  context.fillRect(0, 0, width, canvas.height);
  frames.forEach((frame, number) => {
    const x = gap + (number % columns) * (side.width + gap);
    const y = gap + Math.floor(number / columns) * (side.height + head + gap);
    drawHead(context, frame, x, y);
    context.save();
    context.translate(x, y + head);
    clipped(
      context, () => context.rect(0, 0, frame.width, frame.height),
      () => drawPanel(context, { ...scene, pointer: scene.look.magnifier ? scene.pointer : null }, frame.panels,
        frame.width, frame.height, 1));
    context.restore();
  });
  drawLegend(context, scene, gap, above + 8, width - 2 * gap);
  context.font = "11px sans-serif";
  context.fillStyle = INK;
  lines.forEach((line, number) => context.fillText(line, gap, above + legend + 15 * (number + 1)));
  return canvas;
}

// Name and probability of each panel, under the line of its set-up.
function drawHead(context, frame, x, y) {
  const [first] = frame.panels;
  if (frame.panels.length === 1 && first.color) {
    context.save();
    context.strokeStyle = first.color;
    context.lineWidth = 3;
    context.setLineDash(first.line === "solid" ? [] : first.line === "dotted" ? [3, 4] : [8, 5]);
    context.beginPath();
    context.moveTo(x, y + 2);
    context.lineTo(x + frame.width, y + 2);
    context.stroke();
    context.restore();
  }
  const words = frame.panels.map((panel) => `${panel.label} ${panel.note ?? ""}`.trim()).join("  |  ");
  context.fillStyle = INK;
  context.font = "600 13px sans-serif";
  context.fillText(words, x, y + 20, frame.width);
}

function shownOutlines(scene) {
  return scene.look.lesions ? scene.outlines.filter((one) => !scene.look.hidden.includes(one.code)) : [];
}

function drawLegend(context, scene, x, y, width) {
  context.font = "12px sans-serif";
  let top = y;
  if (scene.panels.length > 1) {
    context.fillStyle = INK;
    context.fillText(scaleWords(scene), x, top + 6, width);
    drawRamp(context, scene, x, top + 14);
    top += 34;
  }
  let place = x;
  for (const one of shownOutlines(scene)) {
    context.fillStyle = INK;
    context.fillRect(place, top, 26, 14);
    context.save();
    context.strokeStyle = one.color;
    context.lineWidth = 2;
    context.setLineDash(dashesOf(one.dash));
    context.strokeRect(place + 3, top + 3, 20, 8);
    context.restore();
    const words = `${one.code} ${one.name}`;
    context.fillStyle = INK;
    context.fillText(words, place + 32, top + 11);
    place += context.measureText(words).width + 50;
  }
}

function drawRamp(context, scene, x, y) {
  if (scene.look.style === "top") {
    context.fillStyle = `rgb(${STRONGEST_COLOR})`;
    context.fillRect(x, y, 24, 10);
    return;
  }
  for (let step = 0; step < 160; step++) {
    const strength = scene.signed ? step / 79.5 - 1 : step / 159;
    const ramp = strength < 0 ? NEGATIVE_RAMP : POSITIVE_RAMP;
    const at = 3 * Math.round(255 * Math.abs(strength));
    context.fillStyle = `rgb(${ramp[at]},${ramp[at + 1]},${ramp[at + 2]})`;
    context.fillRect(x + step, y, 1.5, 10);
  }
}

// What the colors mean, in words.
function scaleWords(scene) {
  if (scene.look.style === "top") return rangeWords(scene);
  return `${rangeWords(scene)}; ${scene.look.ownScale ? "each model on its own scale" : "one scale for all"}`;
}

function rangeWords(scene) {
  if (scene.look.style === "top") return `The ${scene.look.percent} % most relevant pixels of each model`;
  const hidden = scene.look.threshold > 0 ? `; below ${Math.round(100 * scene.look.threshold)} % hidden` : "";
  const range = scene.signed ? "Relevance: against the grade (blue) to for it (red)" : "Relevance: none (black) to 99th percentile (red)";
  return `${range}${hidden}`;
}
