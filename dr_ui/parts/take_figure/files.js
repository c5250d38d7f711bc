// What every file that leaves the browser needs: where it comes from, in its metadata and its caption.

const LINE = 15; // pixels of a line of the caption
const SCALE = 2; // pixels of a PNG for each of the screen

// Study, checkpoints, program and date as the server gives them, with what the page is set to and its address.
function origin(known) {
  const given = [...new URLSearchParams(location.search)].map(([name, value]) => `${name}: ${value}`).join("; ");
  return { ...known, settings: given || "as when the page opens", link: location.href };
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function element(name, attributes, text = "") {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
}

// A drawing with its caption below, in the colors of the page, as text of an SVG file.
function captioned(layers, width, height, about) {
  const caption = captionLines(about, Math.floor(width / 6.2));
  const whole = Math.ceil(height) + LINE * (caption.length + 1);
  const seen = getComputedStyle(document.querySelector("[data-testid=stApp]") ?? document.body);
  const svg = element("svg", { width: Math.ceil(width), height: whole, viewBox: `0 0 ${Math.ceil(width)} ${whole}` });
  svg.append(element("title", {}, about.study), element("metadata", {}, JSON.stringify(about)));
  svg.append(element("rect", { width: "100%", height: "100%", fill: seen.backgroundColor }));
  svg.append(...layers);
  caption.forEach((line, number) => {
    const place = { x: 6, y: Math.ceil(height) + LINE * (number + 1), "font-size": 11, "font-family": "sans-serif" };
    svg.append(element("text", { ...place, fill: seen.color }, line));
  });
  return { text: new XMLSerializer().serializeToString(svg), width: Math.ceil(width), height: whole };
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

async function rasterize({ text, width, height }, about) {
  const picture = new Image();
  picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  await picture.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [SCALE * width, SCALE * height];
  canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
  return pngOf(canvas, about);
}

async function pngOf(canvas, about) {
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

function csvOf(rows) {
  return new Blob([`${rows.map((row) => row.map(cell).join(",")).join("\n")}\n`], { type: "text/csv" });
}

// The rule of `dr_core.files.defuse_cell`: no spreadsheet takes a text for a formula; what is a number stays one.
function cell(value) {
  const text = String(value ?? "");
  const safe = /^ *[=+\-@\t\r\n]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
