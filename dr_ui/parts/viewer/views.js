// The photograph in other colors: without red, as ophthalmoscopes show vessels and blood, or with its contrast raised.

const VIEWS = { color: null, "red-free": withoutRed, contrast: withContrast };
const SURROUND = 1 / 40; // of the photograph's width: how wide the mean is that contrast is measured against
const GAIN = 4; // as Graham, the winner of Kaggle's contest of 2015, prepared photographs

// The photograph as the chosen view shows it; each is computed once.
function photographOf(scene) {
  const change = VIEWS[scene.look.view];
  if (!change) return scene.eye;
  scene.views ??= new Map();
  if (!scene.views.has(scene.look.view)) scene.views.set(scene.look.view, recolored(scene.eye, change));
  return scene.views.get(scene.look.view);
}

function recolored(picture, change) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [picture.naturalWidth, picture.naturalHeight];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, 0, 0);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
  change(pixels.data, canvas);
  context.putImageData(pixels, 0, 0);
  return canvas;
}

function withoutRed(values) {
  for (let at = 0; at < values.length; at += 4) values[at] = values[at + 2] = values[at + 1];
}

function withContrast(values, canvas) {
  const around = surroundings(canvas);
  for (let at = 0; at < values.length; at += 4) {
    if (values[at] + values[at + 1] + values[at + 2] < 36) continue; // the black surround stays black
    for (let color = at; color < at + 3; color++) values[color] = 128 + GAIN * (values[color] - around[color]);
  }
}

// The mean around each pixel: the picture made small and large again.
function surroundings(canvas) {
  const { width, height } = canvas;
  const small = document.createElement("canvas");
  [small.width, small.height] = [1 / SURROUND, Math.max(1, Math.round(height / width / SURROUND))];
  const large = document.createElement("canvas");
  [large.width, large.height] = [width, height];
  for (const [to, from] of [[small, canvas], [large, small]]) {
    const context = to.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.drawImage(from, 0, 0, to.width, to.height);
  }
  return large.getContext("2d").getImageData(0, 0, width, height).data;
}
