// The viewer's state, controls and gestures. Everything but a drawn region stays in the browser, without a rerun.

const FIRST_LOOK = {
  style: "heat", opacity: 0.85, threshold: 0.03, percent: 2, ownScale: false, lesions: true, hidden: [],
  swipe: false, left: 0, right: 1, split: 0.5, magnifier: false, drawing: false,
};
const WHOLE = { x: 0.5, y: 0.5, zoom: 1 };
const MAX_ZOOM = 24;
const KEYS = "arrows move · + − zoom · 0 whole eye · L lesions";

// What a rerun, or another page in between, must not lose: one state for each viewer, as long as the tab is open.
const kept = (window.drLensViewers ??= new Map());

export default function (component) {
  const { data, parentElement, setStateValue, key } = component;
  const root = parentElement.querySelector(".lens-viewer");
  const viewer = (root.viewer ??= createViewer(root, data.name ?? key));
  viewer.tell = (region) => setStateValue("region", region);
  viewer.update(data);
  return () => viewer.pause();
}

function createViewer(root, name) {
  if (!kept.has(name)) kept.set(name, { look: { ...FIRST_LOOK, hidden: [] }, view: { ...WHOLE }, eye: "", region: null });
  const state = kept.get(name);
  const scene = { panels: [], outlines: [], ratio: 1, eye: null, pointer: null, drawing: null, look: state.look, view: state.view };
  const viewer = { root, state, scene, frames: [], data: null, tell() {}, waiting: false, turn: 0 };
  const find = (selector) => root.querySelector(selector);
  viewer.find = find;
  viewer.redraw = () => {
    if (viewer.waiting) return;
    viewer.waiting = true;
    requestAnimationFrame(() => { viewer.waiting = false; draw(viewer); });
  };
  viewer.changed = () => { showControls(viewer); viewer.redraw(); };
  viewer.rebuild = () => { buildStage(viewer); viewer.changed(); };
  viewer.update = (data) => update(viewer, data);
  viewer.observer = new ResizeObserver(() => { if (layOut(viewer)) viewer.redraw(); });
  viewer.observer.observe(find(".stage"));
  viewer.pause = () => { state.look.drawing = false; scene.pointer = null; };
  connectControls(viewer);
  root.addEventListener("keydown", (event) => pressKey(viewer, event));
  root.addEventListener("fullscreenchange", () => viewer.rebuild());
  return viewer;
}

async function update(viewer, data) {
  const { state, scene } = viewer;
  const turn = ++viewer.turn;
  const eye = viewer.data?.photograph === data.photograph ? scene.eye : await loadImage(data.photograph);
  const before = new Map(scene.panels.filter((panel) => panel.decoded).map((panel) => [panel.map, panel.decoded]));
  const panels = await Promise.all(data.panels.map(async (panel) => (
    panel.map ? { ...panel, decoded: before.get(panel.map) ?? await decodeMap(panel) } : { ...panel })));
  if (turn !== viewer.turn) return; // a later rerun was faster
  if (state.eye !== data.eye) {
    Object.assign(state.view, WHOLE, { y: data.ratio / 2 });
    state.region = null;
    state.eye = data.eye;
  }
  viewer.data = data;
  Object.assign(scene, { eye, panels, ratio: data.ratio, signed: data.signed, caption: data.caption, region: state.region });
  scene.outlines = data.outlines.map((outline) => ({ ...outline, path: outlinePath(outline.rings) }));
  const last = panels.length - 1;
  state.look.left = Math.min(state.look.left, last);
  state.look.right = Math.min(state.look.right, last);
  fillChoices(viewer);
  viewer.rebuild();
}

function outlinePath(rings) {
  const path = new Path2D();
  for (const ring of rings) {
    for (let at = 0; at < ring.length; at += 2) at ? path.lineTo(ring[at], ring[at + 1]) : path.moveTo(ring[0], ring[1]);
    path.closePath();
  }
  return path;
}

function fillChoices(viewer) {
  const { scene, find } = viewer;
  for (const side of ["left", "right"]) {
    find(`.${side}`).replaceChildren(...scene.panels.map((panel, number) => new Option(panel.label, number)));
  }
  find(".lesions").replaceChildren(...scene.outlines.map((outline) => {
    const button = document.createElement("button");
    button.textContent = outline.code;
    button.title = `${outline.name}: show or hide`;
    button.style.setProperty("--line", outline.color);
    button.dataset.code = outline.code;
    button.onclick = () => toggleLesion(viewer, outline.code);
    return button;
  }));
}

function toggleLesion(viewer, code) {
  const { look } = viewer.scene;
  if (!look.lesions) Object.assign(look, { lesions: true, hidden: viewer.scene.outlines.map((one) => one.code) });
  look.hidden = look.hidden.includes(code) ? look.hidden.filter((one) => one !== code) : [...look.hidden, code];
  viewer.changed();
}

// --- controls ---------------------------------------------------------------------------------------------------

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
  find(".draw").onclick = () => { look.drawing = !look.drawing; viewer.changed(); };
  find(".clear").onclick = () => setRegion(viewer, null);
  find(".zoom-in").onclick = () => zoom(viewer, 1.5);
  find(".zoom-out").onclick = () => zoom(viewer, 1 / 1.5);
  find(".whole").onclick = () => showWhole(viewer);
  find(".full").onclick = () => (isFull(viewer) ? document.exitFullscreen() : root.requestFullscreen());
  find(".save").onclick = () => saveCanvas(
    composePicture(scene, viewer.frames, viewer.columns), `${viewer.data.file}.png`);
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
  find(".for-threshold").hidden = look.style === "top";
  find(".for-percent").hidden = look.style !== "top";
  find(".own-scale").checked = look.ownScale;
  find(".for-scale").hidden = look.style === "top";
  find(".for-swipe").hidden = !look.swipe;
  find(".left").value = look.left;
  find(".right").value = look.right;
  find(".split").value = 100 * look.split;
  for (const tool of ["swipe", "magnifier", "drawing"]) {
    find(tool === "drawing" ? ".draw" : `.${tool}`).setAttribute("aria-pressed", String(look[tool]));
  }
  for (const button of find(".lesions").children) {
    button.setAttribute("aria-pressed", String(look.lesions && !look.hidden.includes(button.dataset.code)));
  }
  find(".clear").hidden = !state.region;
  find(".full").textContent = isFull(viewer) ? "leave" : "full";
  showScale(viewer);
  hint(viewer, look.drawing ? "Hold the button and go around the region; let go to close it." : KEYS);
}

function showScale(viewer) {
  const { scene, find } = viewer;
  const bar = document.createElement("i");
  bar.className = scene.look.style === "top" ? "top" : scene.signed ? "signed" : "";
  const words = document.createElement("span");
  words.textContent = scaleWords(scene);
  const mark = document.createElement("b"); // it keeps its room, so that the page does not move
  mark.textContent = "brightness cannot be compared";
  mark.dataset.shown = scene.look.ownScale && scene.look.style !== "top";
  find(".scale").replaceChildren(bar, words, mark);
}

function hint(viewer, text) {
  if (viewer.find(".hint").textContent !== text) viewer.find(".hint").textContent = text;
}

// --- panels -----------------------------------------------------------------------------------------------------

function buildStage(viewer) {
  const { scene, find } = viewer;
  const { look, panels } = scene;
  const groups = look.swipe ? [[look.left, look.right]] : panels.map((_, number) => [number]);
  if (viewer.frames.length !== groups.length) {
    viewer.frames = groups.map(() => createFrame(viewer));
    find(".stage").replaceChildren(...viewer.frames.map((frame) => frame.figure));
  }
  layOut(viewer);
}

function createFrame(viewer) {
  const figure = document.createElement("figure");
  const caption = document.createElement("figcaption");
  const canvas = document.createElement("canvas");
  canvas.setAttribute("role", "img");
  figure.append(caption, canvas);
  const frame = { figure, caption, canvas, width: 0, height: 0, panels: [] };
  connectGestures(viewer, frame);
  return frame;
}

const CAPTION = 24, GAP = 6;

// Gives every panel its size; true where it changed.
function layOut(viewer) {
  const { scene, find, frames } = viewer;
  if (!frames.length || !scene.eye) return false;
  const stage = find(".stage");
  const width = stage.clientWidth;
  const full = isFull(viewer);
  const high = full ? stage.clientHeight : scene.look.swipe ? Math.max(320, 0.66 * window.innerHeight) : 1e4;
  const ratio = Math.min(scene.ratio, 1);
  const options = full || width < 700 ? [1, 2, 3, 4, 5] : [frames.length];
  let best = { side: 0, columns: 1 };
  for (const columns of options.filter((count) => count <= frames.length)) {
    const rows = Math.ceil(frames.length / columns);
    const wide = (width - GAP * (columns - 1)) / columns;
    const tall = ((high - GAP * (rows - 1)) / rows - CAPTION) / ratio;
    const side = Math.floor(Math.min(wide, tall));
    if (full ? side > best.side : columns === 1 || wide >= 150) best = { side, columns };
  }
  viewer.columns = best.columns;
  stage.style.gridTemplateColumns = `repeat(${best.columns}, max-content)`;
  let changed = false;
  for (const frame of frames) {
    const size = [best.side, Math.floor(best.side * ratio)];
    const dense = window.devicePixelRatio || 1;
    changed ||= frame.width !== size[0] || frame.height !== size[1] || frame.dense !== dense;
    [frame.width, frame.height] = size;
    frame.dense = dense;
  }
  return changed;
}

function draw(viewer) {
  const { scene, frames } = viewer;
  if (!scene.eye) return;
  keepInside(viewer);
  frames.forEach((frame, number) => {
    const { look, panels } = scene;
    frame.panels = look.swipe ? [panels[look.left], panels[look.right]] : [panels[number]];
    const { canvas, dense, width, height } = frame;
    if (canvas.width !== Math.round(width * dense) || canvas.height !== Math.round(height * dense)) {
      canvas.width = Math.round(width * dense);
      canvas.height = Math.round(height * dense);
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
      frame.figure.style.width = `${width}px`;
    }
    showCaption(frame, look.swipe);
    canvas.classList.toggle("drawing", look.drawing);
    canvas.style.touchAction = scene.view.zoom > 1 || look.drawing || look.magnifier ? "none" : "pan-y";
    Object.assign(canvas.dataset, {
      zoom: scene.view.zoom.toFixed(3), x: scene.view.x.toFixed(4), y: scene.view.y.toFixed(4) });
    drawPanel(canvas.getContext("2d"), scene, frame.panels, canvas.width, canvas.height, dense);
  });
}

function showCaption(frame, swipe) {
  const [first, second] = frame.panels;
  const label = swipe ? `${first.label} | ${second.label}` : first.label;
  if (frame.caption.dataset.label === label + (first.note ?? "")) return;
  frame.caption.dataset.label = label + (first.note ?? "");
  const note = document.createElement("small");
  note.textContent = swipe ? "" : ` ${first.note ?? ""}`;
  frame.caption.replaceChildren(label, note);
  frame.caption.title = label + note.textContent;
  frame.canvas.setAttribute("aria-label", `${label}${note.textContent} ${first.reason ?? ""}`.trim());
  frame.caption.style.setProperty("--hue", swipe ? "transparent" : first.color ?? "transparent");
  frame.caption.style.setProperty("--line", swipe ? "solid" : first.line ?? "solid");
}

// --- moving -----------------------------------------------------------------------------------------------------

function keepInside(viewer) {
  const { view, ratio } = viewer.scene;
  view.zoom = Math.min(MAX_ZOOM, Math.max(1, view.zoom));
  const half = 0.5 / view.zoom;
  view.x = Math.min(1 - half, Math.max(half, view.x));
  view.y = Math.min(ratio * (1 - half), Math.max(ratio * half, view.y));
}

// Zooms so that `at`, a point of the eye, stays where it is.
function zoom(viewer, factor, at) {
  const { view } = viewer.scene;
  const before = view.zoom;
  view.zoom = Math.min(MAX_ZOOM, Math.max(1, view.zoom * factor));
  if (at) {
    view.x = at[0] + (view.x - at[0]) * (before / view.zoom);
    view.y = at[1] + (view.y - at[1]) * (before / view.zoom);
  }
  viewer.redraw();
}

function showWhole(viewer) {
  Object.assign(viewer.scene.view, { x: 0.5, y: viewer.scene.ratio / 2, zoom: 1 });
  viewer.redraw();
}

function pressKey(viewer, event) {
  const onSlider = /^(INPUT|SELECT)$/.test(event.composedPath()[0].tagName);
  if (event.ctrlKey || event.metaKey || event.altKey || (onSlider && event.key.startsWith("Arrow"))) return;
  const { view, look } = viewer.scene;
  const step = 0.12 / view.zoom;
  const moves = {
    ArrowLeft: () => { view.x -= step; }, ArrowRight: () => { view.x += step; },
    ArrowUp: () => { view.y -= step; }, ArrowDown: () => { view.y += step; },
    "+": () => zoom(viewer, 1.25), "=": () => zoom(viewer, 1.25), "-": () => zoom(viewer, 0.8),
    0: () => showWhole(viewer),
    l: () => { look.lesions = !look.lesions; viewer.changed(); },
    L: () => { look.lesions = !look.lesions; viewer.changed(); },
    Escape: () => { look.drawing = false; viewer.scene.drawing = null; viewer.changed(); },
  };
  if (!moves[event.key]) return;
  moves[event.key]();
  if (event.key !== "Escape") event.preventDefault();
  event.stopPropagation(); // the app's own shortcuts must not fire
  viewer.redraw();
}

function connectGestures(viewer, frame) {
  const { canvas } = frame;
  const fingers = new Map();
  let task = "", pinch = 0;
  const eyePoint = (event) => {
    const box = canvas.getBoundingClientRect();
    const { scene } = viewer;
    const place = placement(scene.view, frame.width, frame.height, scene.ratio);
    return [(event.clientX - box.left - place.x) / place.scale, (event.clientY - box.top - place.y) / place.scale];
  };
  canvas.onpointerdown = (event) => {
    viewer.root.focus({ preventScroll: true });
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, [event.clientX, event.clientY]);
    if (fingers.size === 2) {
      task = "pinch";
      viewer.scene.drawing = null;
      pinch = distance(fingers);
      return;
    }
    const { look } = viewer.scene;
    const across = event.clientX - canvas.getBoundingClientRect().left;
    if (look.swipe && Math.abs(across - look.split * frame.width) < 16) task = "swipe";
    else if (look.drawing) { task = "draw"; viewer.scene.drawing = [eyePoint(event)]; }
    else { task = "move"; canvas.classList.add("dragging"); }
  };
  canvas.onpointermove = (event) => {
    const { scene } = viewer;
    scene.pointer = eyePoint(event);
    const before = fingers.get(event.pointerId);
    if (before) {
      fingers.set(event.pointerId, [event.clientX, event.clientY]);
      if (task === "pinch" && fingers.size === 2) {
        const wide = distance(fingers);
        zoom(viewer, wide / pinch, scene.pointer);
        pinch = wide;
      } else if (task === "swipe") {
        const across = event.clientX - canvas.getBoundingClientRect().left;
        scene.look.split = Math.min(1, Math.max(0, across / frame.width));
        viewer.find(".split").value = 100 * scene.look.split;
      } else if (task === "draw") {
        scene.drawing.push(scene.pointer);
      } else if (task === "move") {
        const { scale } = placement(scene.view, frame.width, frame.height, scene.ratio);
        scene.view.x -= (event.clientX - before[0]) / scale;
        scene.view.y -= (event.clientY - before[1]) / scale;
      }
    }
    viewer.redraw();
  };
  const release = (event) => {
    fingers.delete(event.pointerId);
    canvas.classList.remove("dragging");
    if (task === "draw" && viewer.scene.drawing) finishRegion(viewer);
    task = "";
    viewer.redraw();
  };
  canvas.onpointerup = release;
  canvas.onpointercancel = (event) => { viewer.scene.drawing = null; release(event); };
  canvas.onpointerleave = () => { viewer.scene.pointer = null; viewer.redraw(); };
  canvas.ondblclick = (event) => zoom(viewer, 2, eyePoint(event));
  canvas.addEventListener("wheel", (event) => {
    // A page that is only scrolled past must not stop: the wheel zooms after a click, or with Ctrl.
    if (!event.ctrlKey && viewer.root.getRootNode().activeElement !== viewer.root && !isFull(viewer)) {
      hint(viewer, "Click a panel once, then the wheel zooms.");
      return;
    }
    event.preventDefault();
    zoom(viewer, Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0018)), eyePoint(event));
  }, { passive: false });
}

function distance(fingers) {
  const [a, b] = [...fingers.values()];
  return Math.max(1, Math.hypot(a[0] - b[0], a[1] - b[1]));
}

// --- region -----------------------------------------------------------------------------------------------------

const MOST_POINTS = 240;

function finishRegion(viewer) {
  const points = viewer.scene.drawing;
  viewer.scene.drawing = null;
  const every = Math.max(1, Math.ceil(points.length / MOST_POINTS));
  const sparse = points.filter((_, number) => number % every === 0).map(([x, y]) => [Number(x.toFixed(5)), Number(y.toFixed(5))]);
  if (sparse.length < 3) return;
  viewer.scene.look.drawing = false;
  setRegion(viewer, sparse);
}

function setRegion(viewer, points) {
  viewer.state.region = viewer.scene.region = points;
  viewer.tell(points ? { eye: viewer.data.eye, points } : null);
  viewer.changed();
}
