// A picture file of exactly what is seen, with a legend.

const EXPORT_SCALE = 2;

function composePicture(scene, frames, columns) {
  const gap = 8, head = 22, side = frames[0];
  const rows = Math.ceil(frames.length / columns);
  const width = Math.max(columns * (side.width + gap) + gap, 640);
  const legend = 118;
  const canvas = document.createElement("canvas");
  canvas.width = width * EXPORT_SCALE;
  canvas.height = (rows * (side.height + head + gap) + gap + legend) * EXPORT_SCALE;
  const context = canvas.getContext("2d");
  context.scale(EXPORT_SCALE, EXPORT_SCALE);
  context.fillStyle = "#ffffff";
  context.fillRect(0, 0, width, canvas.height);
  frames.forEach((frame, number) => {
    const x = gap + (number % columns) * (side.width + gap);
    const y = gap + Math.floor(number / columns) * (side.height + head + gap);
    context.fillStyle = "#16202a";
    context.font = "600 13px sans-serif";
    context.fillText(frame.panels.map((panel) => panel.label).join("  |  "), x, y + 14);
    context.save();
    context.translate(x, y + head);
    clipped(
      context, () => context.rect(0, 0, frame.width, frame.height),
      () => drawPanel(context, { ...scene, pointer: scene.look.magnifier ? scene.pointer : null }, frame.panels,
        frame.width, frame.height, 1));
    context.restore();
  });
  drawLegend(context, scene, gap, rows * (side.height + head + gap) + gap + 14, width - 2 * gap);
  return canvas;
}

function drawLegend(context, scene, x, y, width) {
  context.font = "12px sans-serif";
  context.fillStyle = "#16202a";
  context.fillText(scaleWords(scene), x, y, width);
  if (scene.look.style !== "top") {
    for (let step = 0; step < 160; step++) {
      const strength = scene.signed ? step / 79.5 - 1 : step / 159;
      const ramp = strength < 0 ? NEGATIVE_RAMP : POSITIVE_RAMP;
      const at = 3 * Math.round(255 * Math.abs(strength));
      context.fillStyle = `rgb(${ramp[at]},${ramp[at + 1]},${ramp[at + 2]})`;
      context.fillRect(x + step, y + 8, 1.5, 10);
    }
  } else {
    context.fillStyle = `rgb(${STRONGEST_COLOR})`;
    context.fillRect(x, y + 8, 24, 10);
  }
  let place = x;
  for (const one of scene.look.lesions ? scene.outlines.filter((one) => !scene.look.hidden.includes(one.code)) : []) {
    context.fillStyle = "#16202a";
    context.fillRect(place, y + 28, 18, 12);
    context.strokeStyle = one.color;
    context.lineWidth = 2;
    context.strokeRect(place + 3, y + 31, 12, 6);
    context.fillStyle = "#16202a";
    const words = `${one.code} ${one.name}`;
    context.fillText(words, place + 24, y + 39);
    place += context.measureText(words).width + 42;
  }
  context.fillText(scene.caption, x, y + 62, width);
  context.fillText(`Zoom ${scene.view.zoom.toFixed(1)}. Research use only, not for diagnosis. DR Lens.`, x, y + 80, width);
}

// What the colors mean, in words.
function scaleWords(scene) {
  if (scene.look.style === "top") return `The ${scene.look.percent} % most relevant pixels of each model`;
  const scale = scene.look.ownScale ? "each model on its own scale" : "one scale for all";
  const hidden = scene.look.threshold > 0 ? `; below ${Math.round(100 * scene.look.threshold)} % hidden` : "";
  const range = scene.signed ? "Relevance: against the grade (blue) to for it (red)" : "Relevance: none (black) to 99th percentile (red)";
  return `${range}, ${scale}${hidden}`;
}

function saveCanvas(canvas, name) {
  canvas.toBlob((blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }, "image/png");
}
