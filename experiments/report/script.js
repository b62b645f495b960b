"use strict";
(() => {
  const table = document.getElementById("table");
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const heads = Array.from(table.tHead.rows[0].cells);

  // a cell's value: its number where it has one, its text otherwise; empty ones come last in either direction
  const value = (row, column) => {
    const cell = row.cells[column];
    const given = "value" in cell.dataset ? cell.dataset.value : cell.textContent;
    if (given === "" || given === "–") return null;
    return "value" in cell.dataset && Number.isFinite(Number(given)) ? Number(given) : given;
  };
  const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true }));

  const sort = (column) => {
    const direction = heads[column].getAttribute("aria-sort") === "ascending" ? -1 : 1;
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[column].setAttribute("aria-sort", direction === 1 ? "ascending" : "descending");
    const keyed = rows.map((row) => [value(row, column), row]);
    keyed.sort(([a], [b]) => (a === null || b === null ? (a === null) - (b === null) : direction * compare(a, b)));
    body.append(...keyed.map(([, row]) => row));
  };
  heads.forEach((head, column) => head.querySelector("button")?.addEventListener("click", () => sort(column)));

  const form = document.getElementById("filters");
  const find = document.getElementById("find");
  const verdict = document.getElementById("verdict");
  const standing = document.getElementById("standing");
  const status = document.getElementById("shown");
  const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
  const filter = () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of rows) {
      const fits =
        (!verdict.value || row.dataset.verdict === verdict.value) &&
        (!standing.value || row.dataset.standing === standing.value) &&
        words.every((word) => texts.get(row).includes(word));
      row.hidden = !fits;
      count += fits;
    }
    status.textContent = count === rows.length ? `${count} claims` : `${count} of ${rows.length} claims`;
  };
  form.addEventListener("input", filter);
  form.addEventListener("reset", () => setTimeout(filter));
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  filter();

  // what scrolls sideways can be reached by keyboard
  const reach = () => {
    for (const box of document.querySelectorAll(".formula, .scroll, .card")) {
      if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
    }
  };
  reach();
  addEventListener("resize", reach);
})();
