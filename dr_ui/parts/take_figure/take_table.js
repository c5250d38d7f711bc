// A table of the page that leaves the browser as CSV: a row for each of its rows, with where it comes from.

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".lens-take");
  root.setAttribute("aria-label", `Download the table ${data.table}`);
  root.onclick = (event) => {
    if (!event.target.dataset?.kind) return;
    const tables = [...document.querySelectorAll(`.st-key-${CSS.escape(data.table)} table`)];
    root.querySelector(".lens-take-status").textContent = tables.length ? "" : "the table is not drawn yet";
    if (tables.length) save(csvOf(rowsOf(tables, data.small, origin(data.origin))), `${data.file}.csv`);
  };
}

function rowsOf(tables, small, about) {
  const read = tables.map((table) => readTable(table, small));
  const names = [...new Set(read.flatMap((rows) => rows.flatMap((row) => [...row.keys()])))];
  const body = read.flat().map((row) => [...names.map((name) => row.get(name) ?? ""), ...Object.values(about)]);
  return [[...names, ...Object.keys(about)], ...body];
}

// Each row of the body as heading -> text; small figures are a column of their own beside the number above them.
function readTable(table, small) {
  const heads = grid([...table.querySelectorAll("thead tr")]);
  const width = Math.max(0, ...heads.map((row) => row.length));
  const names = Array.from({ length: width }, (_, at) =>
    [...new Set(heads.map((row) => wordsOf(row[at])))].filter(Boolean).join(", ") || `column ${at + 1}`);
  const caption = wordsOf(table.caption);
  return grid([...table.querySelectorAll("tbody tr")]).map((cells) => {
    const row = new Map(caption ? [["table", caption]] : []);
    cells.forEach((one, at) => {
      const name = names[at] ?? `column ${at + 1}`;
      row.set(name, wordsOf(one));
      const figures = [...(one?.querySelectorAll("small") ?? [])].map((part) => part.textContent.trim()).join("; ");
      if (figures) row.set(`${name}, ${small}`, figures);
    });
    return row;
  });
}

// The cells of rows at their places: one that spans several stands in each of them.
function grid(rows) {
  const places = rows.map(() => []);
  rows.forEach((row, down) => {
    let at = 0;
    for (const one of row.cells) {
      while (places[down][at]) at += 1;
      for (let under = 0; under < one.rowSpan && down + under < rows.length; under += 1) {
        for (let over = 0; over < one.colSpan; over += 1) places[down + under][at + over] = one;
      }
      at += one.colSpan;
    }
  });
  return places;
}

function wordsOf(element) {
  const bare = element?.cloneNode(true);
  for (const part of bare?.querySelectorAll("small") ?? []) part.remove();
  for (const part of bare?.querySelectorAll("br, p, li, div") ?? []) part.before(" ");
  return (bare?.textContent ?? "").replace(/\s+/g, " ").trim();
}
