// Two pictures of one eye over each other: what lies left of the line is the first, what lies right of it the second.

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".lens-swipe");
  const line = root.querySelector("input");
  const move = () => root.style.setProperty("--split", `${line.value}%`);
  for (const [name, source] of Object.entries({ first: data.first, second: data.second })) {
    const picture = root.querySelector(`.${name}`);
    if (picture.src !== source) picture.src = source;
    picture.alt = data[`${name}Name`];
    root.querySelector(`.${name}-name`).textContent = data[`${name}Name`];
  }
  line.oninput = move;
  root.onpointermove = (event) => {
    if (event.buttons !== 1) return;
    const place = root.getBoundingClientRect();
    line.value = Math.min(100, Math.max(0, (100 * (event.clientX - place.left)) / place.width));
    move();
  };
  move();
}
