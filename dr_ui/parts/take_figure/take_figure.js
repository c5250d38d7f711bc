// A chart that leaves the browser: PNG and SVG as it is seen, CSV of its values, each with where it comes from.

const LINE = 15; // pixels of a line of the caption
const SCALE = 2; // pixels of the PNG for each of the screen

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

function origin(known) {
  const given = [...new URLSearchParams(location.search)].map(([name, value]) => `${name}: ${value}`).join("; ");
  return { ...known, settings: given || "as when the page opens", link: location.href };
}

const MAKERS = {
  svg: (plot, about) => new Blob([drawing(plot, about).text], { type: "image/svg+xml" }),
  png: rasterize,
  csv: (plot, about) => new Blob([table(plot, about)], { type: "text/csv" }),
};

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// The layers that Plotly draws over each other, as one SVG with a caption below.
function drawing(plot, about) {
  const { width, height } = plot.getBoundingClientRect();
  const caption = captionLines(about, Math.floor(width / 6.2));
  const whole = Math.ceil(height) + LINE * (caption.length + 1);
  const seen = getComputedStyle(document.querySelector("[data-testid=stApp]") ?? document.body);
  const svg = element("svg", { width: Math.ceil(width), height: whole, viewBox: `0 0 ${Math.ceil(width)} ${whole}` });
  svg.append(element("title", {}, about.study), element("metadata", {}, JSON.stringify(about)));
  svg.append(element("rect", { width: "100%", height: "100%", fill: seen.backgroundColor }));
  for (const layer of plot.querySelectorAll(".main-svg")) svg.append(layer.cloneNode(true));
  caption.forEach((line, number) => {
    const place = { x: 6, y: Math.ceil(height) + LINE * (number + 1), "font-size": 11, "font-family": "sans-serif" };
    svg.append(element("text", { ...place, fill: seen.color }, line));
  });
  return { text: new XMLSerializer().serializeToString(svg), width: Math.ceil(width), height: whole };
}

function element(name, attributes, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

function captionLines(about, most) {
  const lines = [];
  for (const [name, value] of Object.entries(about)) {
    let rest = `${name}: ${value}`;
    while (rest.length > most) {
      const cut = rest.lastIndexOf(" ", most) > 0 ? rest.lastIndexOf(" ", most) : most;
      lines.push(rest.slice(0, cut));
      rest = rest.slice(cut).trimStart();
    }
    lines.push(rest);
  }
  return lines;
}

async function rasterize(plot, about) {
  const { text, width, height } = drawing(plot, about);
  const picture = new Image();
  picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  await picture.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [SCALE * width, SCALE * height];
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  return withText(new Uint8Array(await blob.arrayBuffer()), about);
}

// A PNG with one `iTXt` chunk for each fact, before its last chunk (PNG specification, 11.3.4.5).
function withText(png, about) {
  const end = png.length - 12;
  const chunks = Object.entries(about).map(([name, value]) => {
    const body = new TextEncoder().encode(`iTXt${name}\0\0\0\0\0${value}`);
    const chunk = new Uint8Array(body.length + 8);
    const view = new DataView(chunk.buffer);
    view.setUint32(0, body.length - 4);
    chunk.set(body, 4);
    view.setUint32(body.length + 4, crc32(body));
    return chunk;
  });
  return new Blob([png.slice(0, end), ...chunks, png.slice(end)], { type: "image/png" });
}

function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (0xedb88320 & -(crc & 1));
  }
  return ~crc >>> 0;
}

// One row for each value of each line, bar or cell.
function table(plot, about) {
  const names = ["panel", "series", "x", "y", "value", "low", "high"];
  const facts = Object.keys(about);
  const rows = plot.data.filter((trace) => trace.visible !== false && trace.visible !== "legendonly").flatMap((trace) =>
    valuesOf(trace).map(([x, ...rest]) =>
      [panelOf(plot, trace), trace.name ?? "", tickOf(plot, trace, x), ...rest, ...Object.values(about)]));
  return `${[[...names, ...facts], ...rows].map((row) => row.map(cell).join(",")).join("\n")}\n`;
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
  const down = error.symmetric === false ? listOf(error.arrayminus) : up;
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

// The rule of `dr_core.files.defuse_cell`: no spreadsheet takes a text for a formula; what is a number stays one.
function cell(value) {
  const text = String(value ?? "");
  const safe = /^ *[=+\-@\t\r\n]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
