// A chart that leaves the browser: PNG and SVG as it is seen, CSV of its values, each with where it comes from.

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".lens-take");
  root.setAttribute("aria-label", `Download the figure ${data.chart}`);
  root.onclick = async (event) => {
    const kind = event.target.dataset?.kind;
    if (!kind) return;
    const plot = document.querySelector(`.st-key-${CSS.escape(data.chart)} .js-plotly-plot`);
    const status = root.querySelector(".lens-take-status");
    status.textContent = plot ? "" : "the figure is not drawn yet";
    if (plot) save(await MAKERS[kind](plot, origin(data.origin)), `${data.file}.${kind}`);
  };
}

const MAKERS = {
  svg: (plot, about) => new Blob([drawing(plot, about).text], { type: "image/svg+xml" }),
  png: (plot, about) => rasterize(drawing(plot, about), about),
  csv: (plot, about) => csvOf(values(plot, about)),
};

// The layers that Plotly draws over each other, as one SVG with a caption below.
function drawing(plot, about) {
  const { width, height } = plot.getBoundingClientRect();
  const layers = [...plot.querySelectorAll(".main-svg")].map((layer) => layer.cloneNode(true));
  return captioned(layers, width, height, about);
}

// One row for each value of each line, bar or cell.
function values(plot, about) {
  const names = ["panel", "series", "x", "y", "value", "low", "high"];
  const facts = Object.keys(about);
  const rows = plot.data.filter((trace) => trace.visible !== false && trace.visible !== "legendonly").flatMap((trace) =>
    valuesOf(trace).map(([x, ...rest]) =>
      [panelOf(plot, trace), trace.name ?? "", tickOf(plot, trace, x), ...rest, ...Object.values(about)]));
  return [[...names, ...facts], ...rows];
}

function valuesOf(trace) {
  const x = listOf(trace.x);
  const y = listOf(trace.y);
  if (trace.z) {
    const z = listOf(trace.z);
    return z.flatMap((row, i) => listOf(row).map((value, j) => [x[j] ?? j, y[i] ?? i, value, "", ""]));
  }
  const error = trace.error_y ?? {};
  const up = listOf(error.array);
  const down = error.arrayminus ? listOf(error.arrayminus) : up;
  const length = Math.max(x.length, y.length);
  return Array.from({ length }, (_, i) => {
    const value = y[i] ?? "";
    return [x[i] ?? i, value, "", down.length ? value - (down[i] ?? 0) : "", up.length ? value + (up[i] ?? 0) : ""];
  });
}

// Plotly keeps numbers as lists or as base64 of a typed array.
function listOf(values) {
  if (values === undefined || values === null) return [];
  if (values._inputArray) return Array.from(values._inputArray);
  return Array.isArray(values) || ArrayBuffer.isView(values) ? Array.from(values) : [];
}

function axisOf(plot, name, letter) {
  return (plot._fullLayout ?? plot.layout)[`${letter}axis${(name ?? letter).slice(1)}`] ?? {};
}

// What stands below a position, where the axis names positions.
function tickOf(plot, trace, x) {
  const { tickvals, ticktext } = axisOf(plot, trace.xaxis, "x");
  return listOf(ticktext)[listOf(tickvals).indexOf(x)] ?? x;
}

function panelOf(plot, trace) {
  const across = axisOf(plot, trace.xaxis, "x");
  const up = axisOf(plot, trace.yaxis, "y");
  if (!across.domain || !up.domain) return "";
  const middle = (across.domain[0] + across.domain[1]) / 2;
  const title = (plot.layout.annotations ?? []).find((note) =>
    note.xref === "paper" && Math.abs(note.x - middle) < 0.01 && Math.abs(note.y - up.domain[1]) < 0.01);
  return title?.text ?? "";
}
