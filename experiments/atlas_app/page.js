"use strict";
const DATA = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const choose = (n, k) => { let c = 1; for (let i = 1; i <= k; i += 1) c = c * (n - k + i) / i; return c; };
const binomial = (n, k, p) => choose(n, k) * p ** k * (1 - p) ** (n - k);

// psi(p) = E[A | success] - E[A | failure], sums over the G - 1 others
function slope(table, p) {
  const G = table.length - 1;
  let up = 0, down = 0;
  for (let k = 0; k < G; k += 1) {
    const chance = binomial(G - 1, k, p);
    up += chance * table[k + 1][0];
    down += chance * table[k][1];
  }
  return up - down;
}

// Gauss-Legendre with 16 nodes: psi is a polynomial of degree G - 1 <= 31, for which it is exact
const NODES = (() => {
  const n = 16, found = [];
  for (let i = 1; i <= n; i += 1) {
    let x = Math.cos(Math.PI * (i - 0.25) / (n + 0.5)), d = 1;
    for (let step = 0; step < 100; step += 1) {
      let a = 1, b = x;
      for (let k = 2; k <= n; k += 1) [a, b] = [b, ((2 * k - 1) * x * b - (k - 1) * a) / k];
      d = n * (x * b - a) / (x * x - 1);
      const move = b / d;
      x -= move;
      if (Math.abs(move) < 1e-16) break;
    }
    found.push([x, 2 / ((1 - x * x) * d * d)]);
  }
  return found;
})();
const integral = (table, p) => NODES.reduce((sum, [x, w]) => sum + w * slope(table, p * (x + 1) / 2), 0) * p / 2;

// two arms: g is x (1, -1) with x = [s A_+ - p (s A_+ + (G - s) A_-)] / G
function noise(table, p) {
  const G = table.length - 1;
  let mean = 0, square = 0;
  for (let s = 0; s <= G; s += 1) {
    const right = s * table[s][0], all = right + (G - s) * table[s][1], x = (right - p * all) / G;
    mean += binomial(G, s, p) * x;
    square += binomial(G, s, p) * x * x;
  }
  return 2 * (square - mean * mean);
}
const silent = (table, p) => table.reduce((sum, [a, b], s) => {
  const G = table.length - 1, present = (s > 0 && a !== 0) || (s < G && b !== 0);
  return present ? sum : sum + binomial(G, s, p);
}, 0);

function multisets(size) {
  const found = [];
  for (let a = size; a >= 0; a -= 1) for (let b = size - a; b >= 0; b -= 1) found.push([a, b, size - a - b]);
  return found;
}
const ways = (n) => choose(n[0] + n[1] + n[2], n[0]) * choose(n[1] + n[2], n[1]);

// expected push on the logits of three answers: (1/G) sum_i A_i (e_i - pi) over all groups
function push(size, law, advantages) {
  const total = [0, 0, 0];
  multisets(size).forEach((n, place) => {
    const chance = ways(n) * law.reduce((product, p, m) => product * p ** n[m], 1);
    const own = advantages(n, place).map((a, m) => a * n[m]), sum = own[0] + own[1] + own[2];
    own.forEach((a, m) => { total[m] += chance * (a - law[m] * sum) / size; });
  });
  return total;
}
function gradient(law, rewards) {
  const mean = law.reduce((sum, p, m) => sum + p * rewards[m], 0);
  return law.map((p, m) => p * (rewards[m] - mean));
}
const dot = (a, b) => a.reduce((sum, x, m) => sum + x * b[m], 0);

function lengthPush(table, law, long, aggregation) {
  const G = table.length - 1, tokens = [1, long, 1];
  return push(G, law, (n) => {
    const s = n[0] + n[1], all = n[0] + n[1] * long + n[2];
    if (aggregation === "baseline") {
      const base = (n[0] + n[1] * long) / all;
      return [1 - base, 1 - base, -base];
    }
    const plain = [table[s][0], table[s][0], table[s][1]];
    return plain.map((a, m) => {
      if (aggregation === "sequence_mean") return a / tokens[m];
      if (aggregation === "token_mean") return a * G / all;
      return aggregation === "constant" ? a / long : a;
    });
  });
}

const show = (x) => (Object.is(x, -0) ? 0 : x).toPrecision(4).replace(/\.?0+($|e)/, "$1").replace("-", "−");
function cell(row, text, value) {
  const made = row.insertCell();
  made.textContent = text;
  if (value !== undefined) made.dataset.value = String(value);
}
function head(row, name) {
  const made = document.createElement("th");
  made.scope = "row";
  made.textContent = name;
  row.append(made);
}
function pushed(body, name, found, slopeOfJ) {
  const row = body.insertRow();
  head(row, name);
  found.forEach((x) => cell(row, show(x), x));
  const along = dot(found, slopeOfJ), size = Math.sqrt(dot(found, found) * dot(slopeOfJ, slopeOfJ));
  const cosine = size > 0 ? along / size : 0;
  cell(row, cosine.toFixed(3).replace("-", "−"), cosine);
  cell(row, along > 0 ? "rises" : along < 0 ? "falls" : "stays", along);
}

function draw(chosen, size, p) {
  const svg = $("plot"), top = 18, bottom = 262, panels = [[44, 306], [370, 632]];
  const xs = Array.from({ length: 99 }, (_, i) => (i + 1) / 100);
  let inside = "";
  [["ψ(p)", slope], ["Ψ(p)", integral]].forEach(([title, of], panel) => {
    const [left, right] = panels[panel];
    const curves = chosen.map(([, table]) => xs.map((x) => of(table, x)));
    const high = Math.max(...curves.flat(), 1e-9) * 1.05, low = Math.min(0, ...curves.flat());
    const X = (x) => left + x * (right - left), Y = (y) => bottom - (y - low) / (high - low) * (bottom - top);
    for (const t of [0, 0.5, 1]) inside += `<text x="${X(t)}" y="${bottom + 16}" text-anchor="middle">${t}</text>`;
    for (const y of [low, (low + high) / 2, high / 1.05]) {
      inside += `<line class="grid" x1="${left}" x2="${right}" y1="${Y(y)}" y2="${Y(y)}"/>`;
      inside += `<text x="${left - 5}" y="${Y(y) + 4}" text-anchor="end">${y.toPrecision(2)}</text>`;
    }
    inside += `<path class="axis" d="M${left} ${top}V${bottom}H${right}"/>`;
    inside += `<text x="${left}" y="${top - 6}">${title}</text><text x="${right}" y="${bottom + 32}" text-anchor="end">p</text>`;
    inside += `<line class="at" x1="${X(p)}" x2="${X(p)}" y1="${top}" y2="${bottom}"/>`;
    curves.forEach((curve, i) => {
      const name = ["one", "two"][i];
      const path = curve.map((y, j) => `${j ? "L" : "M"}${X(xs[j]).toFixed(1)} ${Y(y).toFixed(1)}`).join("");
      inside += `<path class="${name}" d="${path}"/><circle class="${name}" r="4" cx="${X(p)}" cy="${Y(of(chosen[i][1], p))}"/>`;
    });
  });
  chosen.forEach(([name], i) => {
    const kind = ["one", "two"][i], x = 44 + i * 326;
    inside += `<line class="${kind}" x1="${x}" x2="${x + 34}" y1="296" y2="296" stroke-width="2.2"/><text class="${kind}" x="${x + 40}" y="300">${name}</text>`;
  });
  svg.innerHTML = `<title id="plot-title">Weight psi and objective Psi over p, G = ${size}</title>${inside}`;
}

function update() {
  const size = DATA.sizes[Number($("size").value)], p = Number($("p").value);
  const names = [$("first").value, $("second").value].filter((name, i, all) => all.indexOf(name) === i);
  const chosen = names.map((name) => [name, DATA.estimators[name].binary[size]]).filter(([, table]) => table);
  $("size-shown").textContent = size;
  $("p-shown").textContent = p.toFixed(2);
  draw(chosen, size, p);
  const numbers = $("numbers"), about = $("about");
  numbers.textContent = "";
  about.textContent = "";
  const say = (text) => { const p = document.createElement("p"); p.textContent = text; about.append(p); };
  names.filter((name) => !DATA.estimators[name].binary[size]).forEach((name) => say(`${name} needs larger groups.`));
  chosen.forEach(([name, table]) => {
    const row = numbers.insertRow(), psi = slope(table, p);
    const G = table.length - 1, v = noise(table, p) * G / (psi * psi);
    head(row, name);
    cell(row, show(psi), psi);
    cell(row, show(integral(table, p)), integral(table, p));
    cell(row, `${(100 * silent(table, p)).toFixed(1)} %`, silent(table, p));
    cell(row, psi ? show(v) : "–", psi ? v : "");
    const entry = DATA.estimators[name];
    const used = entry.uses.length ? ` Used by ${entry.uses.join("; ")}.` : "";
    say(`${name}: ${entry.summary}. What it climbs with graded rewards: ${entry.objective}.${used}`);
  });
  const rows = $("groups").tBodies[0];
  rows.textContent = "";
  if (chosen.length) chosen[0][1].forEach(([a, b], s) => {
    const row = rows.insertRow(), chance = binomial(size, s, p);
    head(row, String(s));
    cell(row, `${(100 * chance).toFixed(1)} %`, chance);
    cell(row, s > 0 ? show(a) : "–", a);
    cell(row, s < size ? show(b) : "–", b);
  });
  const place = Number($("gap").value), gap = DATA.gaps[place], law = [(1 - p) / 2, (1 - p) / 2, p];
  const small = [...DATA.gradedSizes].reverse().find((G) => G <= size) || DATA.gradedSizes[0];
  $("gap-shown").textContent = $("gap-head").textContent = gap;
  $("gap-size").textContent = `Groups of ${small}.`;
  const graded = $("graded");
  graded.textContent = "";
  names.forEach((name) => {
    const tables = DATA.estimators[name].graded[small];
    if (!tables) return;
    pushed(graded, name, push(small, law, (_, i) => tables[place][i]), gradient(law, [0, gap, 1]));
  });
  const long = Number($("length").value), lengths = $("lengths"), shares = [p / 2, p / 2, 1 - p];
  const few = Math.min(size, 16);
  $("length-shown").textContent = long;
  $("length-size").textContent = `Groups of ${few}.`;
  lengths.textContent = "";
  names.forEach((name) => {
    const table = DATA.estimators[name].binary[few], how = $("aggregation").value;
    if (!table || (how === "baseline" && name !== names[0])) return;
    pushed(lengths, how === "baseline" ? "length_baseline" : name, lengthPush(table, shares, long, how), gradient(shares, [1, 1, 0]));
  });
}

$("first").value = "sum_then_normalize";
$("second").value = "center";
for (const id of ["first", "second", "size", "p", "gap", "length", "aggregation"]) $(id).addEventListener("input", update);
document.querySelectorAll("form").forEach((form) => form.addEventListener("submit", (event) => event.preventDefault()));
update();
