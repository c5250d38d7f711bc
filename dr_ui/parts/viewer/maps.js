// Maps of relevance: decoding, colors, thresholds, contours, the most relevant pixels. Nothing here touches the page.

// RAMPS is written in front of this file by the server, from the colors of dr_core.publish.overlay.

function rampOf(colors) {
  const stops = colors.map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));
  const ramp = new Uint8ClampedArray(256 * 3);
  for (let level = 0; level < 256; level++) {
    const place = (level / 255) * (stops.length - 1);
    const low = Math.min(Math.floor(place), stops.length - 2);
    for (let channel = 0; channel < 3; channel++) {
      ramp[3 * level + channel] = stops[low][channel] + (place - low) * (stops[low + 1][channel] - stops[low][channel]);
    }
  }
  return ramp;
}

const POSITIVE_RAMP = rampOf(RAMPS.positive);
const NEGATIVE_RAMP = rampOf(RAMPS.negative);
const STRONGEST_COLOR = [...POSITIVE_RAMP.slice(3 * 255)];

function loadImage(source) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = reject;
    image.src = source;
  });
}

// A map travels as a PNG: red and green are the high and low byte of the strength, blue is on where it is negative.
async function decodeMap(panel) {
  const image = await loadImage(panel.map);
  const canvas = document.createElement("canvas");
  canvas.width = image.width;
  canvas.height = image.height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const bytes = context.getImageData(0, 0, image.width, image.height).data;
  const values = new Float32Array(image.width * image.height);
  for (let at = 0; at < values.length; at++) {
    const strength = ((bytes[4 * at] * 256 + bytes[4 * at + 1]) / 65535) * panel.peak;
    values[at] = bytes[4 * at + 2] > 127 ? -strength : strength;
  }
  return { values, width: image.width, height: image.height, canvas, cache: "", contours: [] };
}

// The value that the k percent most relevant pixels reach.
function topValue(map, percent) {
  if (!map.sorted) map.sorted = Float32Array.from(map.values).sort();
  const count = Math.max(1, Math.round((percent / 100) * map.values.length));
  return Math.max(map.sorted[map.values.length - count], 0);
}

function paintMap(map, look, top) {
  const recipe = [look.style, look.opacity, look.threshold, look.percent, top].join();
  if (map.cache === recipe) return;
  map.cache = recipe;
  const picture = new ImageData(map.width, map.height);
  const least = look.style === "top" ? topValue(map, look.percent) : 0;
  for (let at = 0; at < map.values.length; at++) {
    const value = map.values[at];
    if (look.style === "top") {
      if (value > 0 && value >= least) picture.data.set([...STRONGEST_COLOR, 255 * look.opacity], 4 * at);
      continue;
    }
    const strength = Math.min(1, Math.abs(value) / top);
    if (strength < look.threshold || strength === 0) continue;
    const ramp = value < 0 ? NEGATIVE_RAMP : POSITIVE_RAMP;
    const level = 3 * Math.round(255 * strength);
    picture.data[4 * at] = ramp[level];
    picture.data[4 * at + 1] = ramp[level + 1];
    picture.data[4 * at + 2] = ramp[level + 2];
    picture.data[4 * at + 3] = 255 * look.opacity * Math.pow(strength, RAMPS.opacityPower);
  }
  map.canvas.getContext("2d").putImageData(picture, 0, 0);
  map.contours = look.style === "contour" ? contoursOf(map, contourLevels(look), top) : [];
}

function contourLevels(look) {
  return [0.15, 0.35, 0.6].map((level) => look.threshold + level * (1 - look.threshold));
}

// Contours of the map smoothed over a 40th of its side: a raw map is speckled and has no readable contour.
function contoursOf(map, levels, top) {
  const smooth = smoothed(map);
  return levels.map((level) => ({ level, path: contour(smooth, map.width, map.height, level * top * 0.5) }));
}

function smoothed(map) {
  if (map.smooth) return map.smooth;
  const radius = Math.max(1, Math.round(map.width / 80));
  let field = map.values.map((value) => Math.max(value, 0));
  for (let pass = 0; pass < 2; pass++) {
    field = boxBlur(field, map.width, map.height, radius, 1, map.width);
    field = boxBlur(field, map.height, map.width, radius, map.width, 1);
  }
  return (map.smooth = field);
}

function boxBlur(field, length, lines, radius, step, stride) {
  const result = new Float32Array(field.length);
  for (let line = 0; line < lines; line++) {
    let sum = 0;
    for (let at = 0; at < Math.min(radius, length); at++) sum += field[line * stride + at * step];
    for (let at = 0; at < length; at++) {
      if (at + radius < length) sum += field[line * stride + (at + radius) * step];
      if (at - radius > 0) sum -= field[line * stride + (at - radius - 1) * step];
      result[line * stride + at * step] = sum / (2 * radius + 1);
    }
  }
  return result;
}

// Marching squares; a path in units of the map's sides, 0 to 1.
function contour(field, width, height, level) {
  const path = new Path2D();
  const cut = (a, b) => (level - a) / (b - a);
  for (let y = 0; y + 1 < height; y++) {
    for (let x = 0; x + 1 < width; x++) {
      const at = y * width + x;
      const a = field[at], b = field[at + 1], c = field[at + width + 1], d = field[at + width];
      const kind = (a > level) + 2 * (b > level) + 4 * (c > level) + 8 * (d > level);
      if (kind === 0 || kind === 15) continue;
      const edges = [];
      if (a > level !== b > level) edges.push([x + cut(a, b), y]);
      if (b > level !== c > level) edges.push([x + 1, y + cut(b, c)]);
      if (d > level !== c > level) edges.push([x + cut(d, c), y + 1]);
      if (a > level !== d > level) edges.push([x, y + cut(a, d)]);
      for (let pair = 0; pair + 1 < edges.length; pair += 2) {
        path.moveTo((edges[pair][0] + 0.5) / width, (edges[pair][1] + 0.5) / height);
        path.lineTo((edges[pair + 1][0] + 0.5) / width, (edges[pair + 1][1] + 0.5) / height);
      }
    }
  }
  return path;
}
