// The viewer itself: its state, and what a rerun brings. Everything but what is drawn stays in the browser.

const FIRST_LOOK = {
  style: "heat", opacity: 0.85, threshold: 0.03, percent: 2, ownScale: false, lesions: true, hidden: [],
  swipe: false, left: 0, right: 1, split: 0.5, magnifier: false, view: "color", drawing: false, label: "", erasing: false,
};
const WHOLE = { x: 0.5, y: 0.5, zoom: 1 };
const MAX_ZOOM = 24;
const KEYS = "keys: arrows, +, −, 0, L";

// What a rerun, or another page in between, must not lose: one state for each viewer, as long as the tab is open.
const kept = (window.drLensViewers ??= new Map());

export default function (component) {
  const { data, parentElement, setStateValue, key } = component;
  const root = parentElement.querySelector(".lens-viewer");
  const viewer = (root.viewer ??= createViewer(root, data.name ?? key));
  viewer.tell = (drawn) => setStateValue("drawing", drawn);
  viewer.update(data);
  return () => viewer.pause();
}

function createViewer(root, name) {
  if (!kept.has(name)) kept.set(name, { look: { ...FIRST_LOOK, hidden: [] }, view: { ...WHOLE }, eye: "", strokes: null });
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
    state.strokes = data.strokes;
    state.eye = data.eye;
  }
  if (scene.eye !== eye) scene.views = null;
  viewer.data = data;
  Object.assign(scene, { eye, panels, ratio: data.ratio, signed: data.signed, part: data.part,
    lesions: data.lesions, height: data.height, strokes: state.strokes, applied: data.strokes?.length ?? 0 });
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
  find(".label").replaceChildren(...[REGION, ...scene.lesions].map((one) =>
    new Option(one.code ? `${one.code} ${one.name}` : one.name, one.code)));
  find(".lesions").replaceChildren(...scene.outlines.map((outline) => {
    const button = document.createElement("button");
    button.textContent = outline.code;
    button.title = `${outline.name}: show or hide`;
    button.prepend(keyOf(outline));
    button.dataset.code = outline.code;
    button.onclick = () => toggleLesion(viewer, outline.code);
    return button;
  }));
}

// A ring in the color and the dashes of an outline.
function keyOf({ color, dash }) {
  const ring = element("svg", { width: 14, height: 14, viewBox: "0 0 14 14", "aria-hidden": "true" });
  ring.append(element("circle", { cx: 7, cy: 7, r: 5.5, fill: "none", stroke: color, "stroke-width": 2,
    "stroke-dasharray": dash || "none" }));
  return ring;
}

function toggleLesion(viewer, code) {
  const { look } = viewer.scene;
  if (!look.lesions) Object.assign(look, { lesions: true, hidden: viewer.scene.outlines.map((one) => one.code) });
  look.hidden = look.hidden.includes(code) ? look.hidden.filter((one) => one !== code) : [...look.hidden, code];
  viewer.changed();
}
