// The viewer's panels: their number, size, caption, and drawing.

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

// Numbers of columns, rising, that fill the rows of so many panels as evenly as can be.
function evenColumns(count) {
  const rows = Array.from({ length: count }, (_, number) => count - number);
  return [...new Set(rows.map((one) => Math.ceil(count / one)))];
}

// Gives every panel its size; true where it changed.
function layOut(viewer) {
  const { scene, find, frames } = viewer;
  if (!frames.length || !scene.eye) return false;
  const stage = find(".stage");
  const width = stage.clientWidth;
  const full = isFull(viewer);
  const page = scene.height ?? (scene.look.swipe ? Math.max(320, 0.66 * window.innerHeight) : 1e4);
  const high = full ? stage.clientHeight : page;
  const ratio = Math.min(scene.ratio, 1);
  let best = { side: 0, columns: 1 };
  for (const columns of evenColumns(frames.length)) {
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
