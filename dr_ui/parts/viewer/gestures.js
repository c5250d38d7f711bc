// Moving, zooming and drawing: by keyboard, wheel, mouse and touch.

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
  if ((event.ctrlKey || event.metaKey) && event.key === "z" && viewer.scene.look.drawing) {
    event.preventDefault();
    undoStroke(viewer);
  }
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
    else if (look.drawing) { task = "draw"; viewer.scene.drawing = [toPhotograph(viewer.scene, eyePoint(event))]; }
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
        scene.drawing?.push(toPhotograph(scene, scene.pointer));
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
    if (task === "draw" && viewer.scene.drawing) finishStroke(viewer);
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
