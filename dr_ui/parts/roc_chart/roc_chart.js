// One operating point for all curves. While it moves everything happens here; the page hears of it when it is let go.

const BOX = { left: 44, top: 10, width: 330, height: 292 };
const DASHES = { solid: "none", dashed: "6 4", dotted: "2 3" };
const NAMES = "http://www.w3.org/2000/svg";
const kept = new WeakMap();

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const root = parentElement.querySelector(".lens-operating");
  const state = kept.get(root) ?? { dragging: false, later: 0 };
  kept.set(root, state);
  state.tell = (stop) => {
    const link = new URL(window.location.href); // the slider writes the link only where it is moved itself
    link.searchParams.set("specificity", stop / 100);
    link.searchParams.set(...state.released);
    window.history.replaceState(window.history.state, "", link);
    setTriggerValue("moved", stop / 100);
  };
  if (state.dragging || state.later) return; // a rerun must not take the point out of the hand; the next one brings the same
  const curves = JSON.stringify(data.models);
  if (state.curves !== curves) {
    Object.assign(state, { curves, models: data.models });
    build(root, state);
  }
  Object.assign(state, { stop: data.stop, chosen: data.chosen, released: data.released });
  move(root, state);
  connectFiles(root, data, state);
}

function currentPoints(state) {
  return state.chosen.length ? state.chosen : state.models.map((model) => model.points[state.stop]);
}

function build(root, state) {
  const focused = root.getRootNode().activeElement?.tagName === "svg";
  const svg = make("svg", { viewBox: "0 0 384 352", tabindex: 0, role: "slider", "aria-valuemin": 0, "aria-valuemax": 1,
    "aria-label": "Operating point: specificity of at least. Arrow keys move it." });
  svg.append(make("rect", { x: 0, y: 0, width: 384, height: 352, fill: "transparent" }));
  for (let tenth = 0; tenth <= 10; tenth += 2) {
    const share = tenth / 10;
    svg.append(line(x(share), BOX.top, x(share), BOX.top + BOX.height, 0.15), line(BOX.left, y(share), BOX.left + BOX.width, y(share), 0.15));
    svg.append(text(share.toFixed(1), x(share), BOX.top + BOX.height + 16, "middle"), text(share.toFixed(1), BOX.left - 6, y(share) + 4, "end"));
  }
  svg.append(line(x(0), y(0), x(1), y(1), 0.5));
  svg.append(text("false positive rate (1 − specificity)", BOX.left + BOX.width / 2, 340, "middle"));
  const up = text("sensitivity", 0, 0, "middle");
  up.setAttribute("transform", `translate(12 ${BOX.top + BOX.height / 2}) rotate(-90)`);
  svg.append(up);
  for (const model of state.models) {
    const corners = model.falsePositiveRate.map((rate, at) => `${x(rate)},${y(model.sensitivity[at])}`).join(" ");
    svg.append(make("polyline", { points: corners, fill: "none", stroke: model.color, "stroke-width": 2,
      "stroke-dasharray": DASHES[model.line] }));
  }
  state.rule = make("line", { y1: BOX.top, y2: BOX.top + BOX.height, stroke: "currentColor", "stroke-width": 1.5,
    "stroke-dasharray": "3 3" });
  state.grip = make("rect", { y: BOX.top + BOX.height - 9, width: 12, height: 18, rx: 4, fill: "currentColor" });
  state.dots = state.models.map((model) => make("circle", { r: 6.5, stroke: model.color, "stroke-width": 2.5,
    fill: model.filled ? model.color : "var(--st-background-color, white)" }));
  svg.append(state.rule, state.grip, ...state.dots);
  svg.addEventListener("pointerdown", (event) => {
    state.dragging = true;
    svg.setPointerCapture(event.pointerId);
    follow(root, state, svg, event);
  });
  svg.addEventListener("pointermove", (event) => { if (state.dragging) follow(root, state, svg, event); });
  for (const end of ["pointerup", "pointercancel"]) {
    svg.addEventListener(end, () => { if (state.dragging) { state.dragging = false; state.tell(state.stop); } });
  }
  svg.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: 1, ArrowUp: 1, ArrowRight: -1, ArrowDown: -1, PageUp: 10, PageDown: -10 }[event.key];
    if (!step) return;
    event.preventDefault();
    state.chosen = [];
    state.stop = Math.min(100, Math.max(0, state.stop + step));
    move(root, state);
    clearTimeout(state.later);
    state.later = setTimeout(() => { state.later = 0; state.tell(state.stop); }, 400);
  });
  state.svg = svg;
  root.querySelector(".plot").replaceChildren(svg);
  if (focused) svg.focus();
}

function follow(root, state, svg, event) {
  const area = svg.getBoundingClientRect();
  const scale = Math.min(area.width / 384, area.height / 352); // the drawing keeps its shape inside its box
  const inside = (event.clientX - area.left - (area.width - 384 * scale) / 2) / scale;
  const rate = (inside - BOX.left) / BOX.width;
  state.chosen = []; // a point that was chosen by name is left once it is moved
  state.stop = Math.min(100, Math.max(0, Math.round(100 * (1 - rate))));
  move(root, state);
}

function move(root, state) {
  const asked = state.stop / 100;
  const points = currentPoints(state);
  for (const mark of [state.rule, state.grip]) mark.style.visibility = state.chosen.length ? "hidden" : "visible";
  for (const end of ["x1", "x2"]) state.rule.setAttribute(end, x(1 - asked));
  state.grip.setAttribute("x", x(1 - asked) - 6);
  state.svg.setAttribute("aria-valuenow", asked);
  state.models.forEach((_, at) => {
    const [, truePositives, falseNegatives, falsePositives, trueNegatives] = points[at];
    state.dots[at].setAttribute("cx", x(falsePositives / (falsePositives + trueNegatives)));
    state.dots[at].setAttribute("cy", y(truePositives / (truePositives + falseNegatives)));
  });
  root.querySelector(".cards").replaceChildren(...state.models.map((model, at) => card(model, points[at])));
}

function card(model, [threshold, truePositives, falseNegatives, falsePositives, trueNegatives]) {
  const section = document.createElement("section");
  section.className = "lens-card";
  section.setAttribute("aria-label", model.label);
  section.style.setProperty("--hue", model.color);
  section.style.setProperty("--line", model.line);
  section.innerHTML = `<h2></h2><p>sensitivity <b>${(truePositives / (truePositives + falseNegatives)).toFixed(2)}</b><br>specificity
    <b>${(trueNegatives / (falsePositives + trueNegatives)).toFixed(2)}</b>
    ${threshold === null ? "flags no eye" : `at threshold ${threshold.toFixed(2)}`}</p>
    <table><tr><td style="border:0"></td><th scope="col">flagged</th><th scope="col">not flagged</th></tr>
    <tr><th scope="row">positive</th><td class="right" title="true positives">${truePositives}</td><td title="false negatives">${falseNegatives}</td></tr>
    <tr><th scope="row">negative</th><td title="false positives">${falsePositives}</td><td class="right" title="true negatives">${trueNegatives}</td></tr></table>`;
  section.querySelector("h2").textContent = model.label;
  return section;
}

function x(share) { return BOX.left + BOX.width * share; }
function y(share) { return BOX.top + BOX.height * (1 - share); }
function make(name, values) {
  const element = document.createElementNS(NAMES, name);
  for (const [key, value] of Object.entries(values)) element.setAttribute(key, value);
  return element;
}
function line(x1, y1, x2, y2, opacity) { return make("line", { x1, y1, x2, y2, stroke: "currentColor", opacity }); }
function text(words, left, top, anchor) {
  const element = make("text", { x: left, y: top, "text-anchor": anchor });
  element.textContent = words;
  return element;
}
