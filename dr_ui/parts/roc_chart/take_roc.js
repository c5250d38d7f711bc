// The ROC chart as files: the curves with a legend that names each model's point, and the numbers.

const LEGEND = { left: 396, step: 62, width: 300 };

function connectFiles(root, data, state) {
  const buttons = root.parentNode.querySelector(".lens-take");
  buttons.setAttribute("aria-label", "Download the ROC chart");
  buttons.onclick = async (event) => {
    const kind = event.target.dataset?.kind;
    if (!kind) return;
    const about = origin(data.origin);
    if (kind === "csv") return save(csvOf(rocRows(state, about)), `${data.file}.csv`);
    const drawn = captioned([rocDrawing(state)], BOX.left + LEGEND.left + LEGEND.width, 352, about);
    const blob = kind === "png" ? await rasterize(drawn, about) : new Blob([drawn.text], { type: "image/svg+xml" });
    save(blob, `${data.file}.${kind}`);
  };
}

function rocDrawing(state) {
  const seen = getComputedStyle(state.svg);
  const width = LEGEND.left + LEGEND.width;
  const svg = make("svg", { width, height: 352, viewBox: `0 0 ${width} 352`, color: seen.color,
    "font-family": "sans-serif", "font-size": 11, fill: seen.color });
  svg.append(...[...state.svg.childNodes].map((node) => node.cloneNode(true)));
  for (const dot of svg.querySelectorAll("circle")) { // a hollow mark takes the page's color
    if (dot.getAttribute("fill").startsWith("var")) dot.setAttribute("fill", "none");
  }
  state.models.forEach((model, at) => {
    const top = 30 + LEGEND.step * at;
    const { sensitivity, specificity, threshold } = ratesOf(currentPoints(state)[at]);
    svg.append(make("line", { x1: LEGEND.left, y1: top, x2: LEGEND.left + 34, y2: top, stroke: model.color,
      "stroke-width": 2, "stroke-dasharray": DASHES[model.line] }));
    svg.append(text(model.label, LEGEND.left + 42, top + 4, "start"));
    svg.append(text(`sensitivity ${sensitivity.toFixed(2)}, specificity ${specificity.toFixed(2)}`,
      LEGEND.left + 42, top + 19, "start"));
    svg.append(text(threshold === null ? "flags no eye" : `threshold ${threshold.toFixed(2)}`,
      LEGEND.left + 42, top + 34, "start"));
  });
  return svg;
}

function ratesOf([threshold, truePositives, falseNegatives, falsePositives, trueNegatives]) {
  return { threshold, sensitivity: truePositives / (truePositives + falseNegatives),
    specificity: trueNegatives / (falsePositives + trueNegatives) };
}

function rocRows(state, about) {
  const names = ["series", "kind", "false positive rate", "sensitivity", "threshold", "true positives",
    "false negatives", "false positives", "true negatives", ...Object.keys(about)];
  const rows = state.models.flatMap((model, at) => {
    const point = currentPoints(state)[at];
    const { threshold, sensitivity, specificity } = ratesOf(point);
    const curve = model.falsePositiveRate.map((rate, corner) =>
      [model.label, "curve", rate, model.sensitivity[corner], "", "", "", "", ""]);
    return [...curve, [model.label, "operating point", 1 - specificity, sensitivity, threshold ?? "", ...point.slice(1)]];
  });
  return [names, ...rows.map((row) => [...row, ...Object.values(about)])];
}
