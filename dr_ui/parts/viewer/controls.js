// The viewer's controls: what they show, and what they change.

function connectControls(viewer) {
  const { scene, find, root } = viewer;
  const { look } = scene;
  for (const button of root.querySelectorAll("[data-style]")) {
    button.onclick = () => { look.style = button.dataset.style; viewer.changed(); };
  }
  const slide = (selector, set) => {
    find(selector).oninput = (event) => { set(Number(event.target.value)); viewer.changed(); };
  };
  slide(".opacity", (value) => { look.opacity = value / 100; });
  slide(".threshold", (value) => { look.threshold = value / 100; });
  slide(".percent", (value) => { look.percent = percentAt(value); });
  slide(".split", (value) => { look.split = value / 100; });
  slide(".left", (value) => { look.left = value; });
  slide(".right", (value) => { look.right = value; });
  find(".own-scale").onchange = (event) => { look.ownScale = event.target.checked; viewer.changed(); };
  find(".swipe").onclick = () => { look.swipe = !look.swipe; viewer.rebuild(); };
  find(".magnifier").onclick = () => { look.magnifier = !look.magnifier; viewer.changed(); };
  find(".view").onchange = (event) => { look.view = event.target.value; viewer.changed(); };
  find(".draw").onclick = () => { look.drawing = !look.drawing; viewer.changed(); };
  find(".label").onchange = (event) => { look.label = event.target.value; viewer.changed(); };
  find(".mark").onclick = () => { look.erasing = false; viewer.changed(); };
  find(".erase").onclick = () => { look.erasing = true; viewer.changed(); };
  find(".undo").onclick = () => undoStroke(viewer);
  find(".clear").onclick = () => setStrokes(viewer, []);
  find(".zoom-in").onclick = () => zoom(viewer, 1.5);
  find(".zoom-out").onclick = () => zoom(viewer, 1 / 1.5);
  find(".whole").onclick = () => showWhole(viewer);
  find(".full").onclick = () => (isFull(viewer) ? document.exitFullscreen() : root.requestFullscreen());
  find(".save").onclick = async () => {
    const about = origin(viewer.data.origin);
    save(await pngOf(composePicture(scene, viewer.frames, viewer.columns, about), about), `${viewer.data.file}.png`);
  };
}

// The slider runs from 0.1 to 20 percent in equal ratios.
function percentAt(place) {
  return Number((0.1 * Math.pow(200, place / 100)).toPrecision(2));
}

function isFull(viewer) {
  return viewer.root.matches(":fullscreen");
}

function showControls(viewer) {
  const { scene, find, root, state } = viewer;
  const { look } = scene;
  for (const button of root.querySelectorAll("[data-style]")) {
    button.setAttribute("aria-checked", String(button.dataset.style === look.style));
  }
  find(".opacity").value = 100 * look.opacity;
  find(".threshold").value = 100 * look.threshold;
  find(".threshold").nextElementSibling.textContent = `${Math.round(100 * look.threshold)} %`;
  find(".percent").value = (100 * Math.log(look.percent / 0.1)) / Math.log(200);
  find(".percent").nextElementSibling.textContent = `${look.percent} %`;
  const mapped = scene.panels.length > 1;
  for (const part of root.querySelectorAll(".for-maps")) part.hidden = !mapped;
  find(".for-threshold").hidden = !mapped || look.style === "top";
  find(".for-percent").hidden = !mapped || look.style !== "top";
  find(".view").value = look.view;
  find(".own-scale").checked = look.ownScale;
  find(".for-scale").hidden = !mapped || look.style === "top";
  find(".for-swipe").hidden = !look.swipe;
  find(".draw").hidden = !state.strokes;
  find(".for-drawing").hidden = !look.drawing;
  find(".label").value = look.label;
  find(".mark").setAttribute("aria-checked", String(!look.erasing));
  find(".erase").setAttribute("aria-checked", String(look.erasing));
  for (const tool of [".undo", ".clear"]) find(tool).disabled = !state.strokes?.length;
  find(".count").textContent = state.strokes?.length === 1 ? "1 stroke" : `${state.strokes?.length ?? 0} strokes`;
  find(".left").value = look.left;
  find(".right").value = look.right;
  find(".split").value = 100 * look.split;
  for (const tool of ["swipe", "magnifier", "drawing"]) {
    find(tool === "drawing" ? ".draw" : `.${tool}`).setAttribute("aria-pressed", String(look[tool]));
  }
  for (const button of find(".lesions").children) {
    button.setAttribute("aria-pressed", String(look.lesions && !look.hidden.includes(button.dataset.code)));
  }
  find(".full").textContent = isFull(viewer) ? "leave" : "full";
  showScale(viewer);
  hint(viewer, KEYS);
}

function showScale(viewer) {
  const { scene, find } = viewer;
  if (scene.panels.length < 2) return;
  const bar = document.createElement("i");
  bar.className = scene.look.style === "top" ? "top" : scene.signed ? "signed" : "";
  const words = document.createElement("span");
  words.textContent = rangeWords(scene);
  const both = document.createElement("em"); // both lie in one place, so that the page does not move
  const [shared, own] = ["one scale for all", "own scales: brightness cannot be compared"].map((text) => {
    const mark = document.createElement("b");
    mark.textContent = text;
    return mark;
  });
  shared.dataset.shown = !scene.look.ownScale && scene.look.style !== "top";
  own.dataset.shown = scene.look.ownScale && scene.look.style !== "top";
  both.append(shared, own);
  find(".scale").replaceChildren(bar, words, both);
}

function hint(viewer, text) {
  if (viewer.find(".hint").textContent !== text) viewer.find(".hint").textContent = text;
}
