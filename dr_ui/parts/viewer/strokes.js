// Drawing over the eye: strokes that mark a lesion or take it away, each of which can be undone.

const REGION = { code: "", name: "region of no lesion", color: "#ffffff", dash: "6 4" };
const MOST_POINTS = 600;

function kindOf(scene, code) {
  return (scene.lesions ?? []).find((one) => one.code === code) ?? REGION;
}

// The strokes that the outlines from the server do not have yet.
function drawPending(context, scene, place, pixel) {
  const waiting = (scene.strokes ?? []).slice(scene.applied);
  for (const { label, erases, points } of waiting) drawStroke(context, scene, label, erases, points, place, pixel, true);
  if (scene.drawing) {
    drawStroke(context, scene, scene.look.label, scene.look.erasing, scene.drawing, place, pixel, false);
  }
}

function drawStroke(context, scene, label, erases, points, place, pixel, closed) {
  const { color, dash } = kindOf(scene, label);
  strokePath(context, polygon(points.map((point) => toPart(scene, point)), closed), place, erases ? "#ffffff" : color, pixel,
    { dashes: erases ? [1, 3] : dashesOf(dash) });
}

// Strokes lie on the whole photograph, which is 1 wide, the panel's points on the part of it that is shown.
function toPart({ part: [left, top, width] }, [x, y]) {
  return [(x - left) / width, (y - top) / width];
}

function toPhotograph({ part: [left, top, width] }, [x, y]) {
  return [left + x * width, top + y * width];
}

function finishStroke(viewer) {
  const { scene, state } = viewer;
  const points = scene.drawing;
  scene.drawing = null;
  const every = Math.max(1, Math.ceil(points.length / MOST_POINTS));
  const corners = points.filter((_, number) => number % every === 0).map((point) => point.map((value) => Number(value.toFixed(6))));
  if (corners.length < 3) return;
  if (state.strokes.length >= viewer.data.mostStrokes) {
    hint(viewer, `No more than ${viewer.data.mostStrokes} strokes; undo one.`);
    return;
  }
  setStrokes(viewer, [...state.strokes, { label: scene.look.label, erases: scene.look.erasing, points: corners }]);
}

function undoStroke(viewer) {
  if (viewer.state.strokes.length) setStrokes(viewer, viewer.state.strokes.slice(0, -1));
}

function setStrokes(viewer, strokes) {
  viewer.state.strokes = viewer.scene.strokes = strokes;
  viewer.tell({ eye: viewer.data.eye, strokes });
  viewer.changed();
}
