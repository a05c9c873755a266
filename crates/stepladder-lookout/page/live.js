"use strict";
// Shows what the server of this page says of trainings, and asks it for a checkpoint or to stop one.

const $ = (id) => document.getElementById(id);
// Silence after which the server is taken to be gone, in milliseconds; it says something every five seconds.
const SILENCE = 16_000;
// What the server lays over each other at most.
const MOST_SHOWN = 8;

let token = "";
let runs = [];
// The ids of the runs that were chosen; without any, the page follows the run in training.
let chosen = [];
let shown = { ids: [] };
let sort = { key: "started", down: true };
// What was asked for last, until it is done.
let pending = null;
let stream = null;
let retry = 0;

// The token comes behind the # of the address, which browsers send to nobody, and is taken out of it.
function findToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem("token", given);
    history.replaceState(null, "", location.pathname);
  }
  token = sessionStorage.getItem("token") ?? "";
}

function headers(more = {}) {
  return token ? { ...more, Authorization: `Bearer ${token}` } : more;
}

function connection(text, wrong = false) {
  $("connection").textContent = text;
  $("connection").classList.toggle("wrong", wrong);
}

function said(text, wrong = false) {
  $("asked").textContent = text;
  $("asked").classList.toggle("wrong", wrong);
}

// Follows the events until the server goes or the choice changes.
async function follow() {
  clearTimeout(retry);
  stream?.abort();
  const mine = new AbortController();
  stream = mine;
  let alarm = setTimeout(() => mine.abort(), SILENCE);
  try {
    const query = chosen.length > 0 ? `?show=${chosen.join(",")}` : "";
    const response = await fetch(`v1/events${query}`, { headers: headers(), signal: mine.signal });
    if (!response.ok) {
      const { error } = await response.json().catch(() => ({}));
      $("unlock").hidden = response.status !== 401;
      throw new Error(response.status === 401 ? "" : (error?.message ?? `The server says ${response.status}.`));
    }
    $("unlock").hidden = true;
    connection("");
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      clearTimeout(alarm);
      alarm = setTimeout(() => mine.abort(), SILENCE);
      const events = (text + value).split("\n\n");
      text = events.pop();
      events.forEach(take);
    }
    throw new Error("");
  } catch (error) {
    clearTimeout(alarm);
    // Another choice took its place.
    if (stream !== mine) return;
    if ($("unlock").hidden) {
      connection(error.name === "Error" && error.message ? error.message : "The server does not answer; trying again ..", true);
      $("ask").hidden = true;
      retry = setTimeout(follow, 2_000);
    } else {
      connection(token ? "That is not the token of this server." : "");
    }
  }
}

function take(event) {
  const [, kind, data] = /^event: (\w+)\ndata: (.*)$/s.exec(event) ?? [];
  if (kind === "runs") {
    runs = JSON.parse(data).runs;
    list();
  } else if (kind === "shown") {
    show(JSON.parse(data));
  }
}

// The markup comes from our own server, which escapes every text in it.
function fill(element, markup) {
  if (element.filled === markup) return;
  element.filled = markup;
  const open = element.querySelector("details")?.open ?? false;
  const place = element.querySelector(".scroll")?.scrollLeft ?? 0;
  element.innerHTML = markup;
  const details = element.querySelector("details");
  if (details) details.open = open;
  const scroll = element.querySelector(".scroll");
  if (scroll) scroll.scrollLeft = place;
}

function show(view) {
  const before = shown;
  shown = view;
  if (before.ids[0] !== view.ids[0]) said("");
  document.title = view.title;
  $("run-heading").textContent = view.name || "Run";
  fill($("figures"), view.figures);
  const focused = chartNumber(document.activeElement.closest?.(".chart"));
  const kept = pointed;
  fill($("charts"), view.charts);
  // The charts are new elements: whoever was in one still is.
  const chart = (number) => document.querySelectorAll(".chart")[number];
  if (focused >= 0) chart(focused)?.querySelector(".plot").focus({ preventScroll: true });
  pointed = kept;
  if (pointed && chart(pointed.chart)) point(chart(pointed.chart), pointed.share);
  fill($("epochs"), view.epochs);
  $("ask").hidden = !view.training;
  $("checkpoint").disabled = view.request !== null;
  $("stop").disabled = view.request === "stop";
  $("follow").hidden = chosen.length === 0;
  if (view.spoken && view.spoken !== $("said").textContent) $("said").textContent = view.spoken;
  if (pending?.id === view.ids[0] && view.request === null) {
    if (pending.request === "stop" && !view.training) {
      said("The training has stopped.");
      pending = null;
    } else if (pending.request === "checkpoint" && view.checkpoint !== pending.checkpoint) {
      said("The training has taken the checkpoint.");
      pending = null;
    }
  }
  marks();
}

// Rows stay the same elements, so that nobody loses the place while figures change.
const rows = new Map();
const percent = (share) => (share === null ? "" : `${(100 * share).toFixed(1)}%`);
const cells = [
  ["state", (run) => run.words],
  ["model", (run) => run.model],
  ["data", (run) => run.data],
  ["epoch", (run) => (run.epochs > 0 ? `${run.epoch} of ${run.epochs}` : `${run.epoch}`)],
  ["val", (run) => percent(run.val)],
  ["test", (run) => percent(run.test)],
  ["started", (run) => (run.started === null ? "" : when(run.started))],
];

function when(seconds) {
  const date = new Date(1000 * seconds);
  if (Number.isNaN(date.getTime())) return "";
  const two = (n) => String(n).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}

function row(run) {
  let row = rows.get(run.id);
  if (row) return row;
  row = document.createElement("tr");
  const box = document.createElement("input");
  box.type = "checkbox";
  box.setAttribute("aria-label", `Show ${run.name}`);
  box.addEventListener("change", () => choose(run.id, box.checked));
  row.append(document.createElement("td"));
  row.lastChild.append(box);
  const head = document.createElement("th");
  head.scope = "row";
  head.textContent = run.name;
  row.append(head);
  for (const [key] of cells) {
    const cell = document.createElement("td");
    if (["epoch", "val", "test"].includes(key)) cell.className = "number";
    row.append(cell);
  }
  rows.set(run.id, row);
  return row;
}

function compare(one, other) {
  const [a, b] = [one[sort.key], other[sort.key]];
  // What is not known comes last, whichever way it is sorted.
  if (a === null || b === null) return (a === null) - (b === null);
  const order = typeof a === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
  return sort.down ? -order : order;
}

function list() {
  const wanted = $("filter").value.trim().toLowerCase().split(/\s+/);
  const texts = (run) => `${run.name} ${run.model} ${run.data} ${run.words}`.toLowerCase();
  const visible = runs.filter((run) => wanted.every((word) => texts(run).includes(word))).sort(compare);
  const body = $("list").tBodies[0];
  const elements = visible.map((run) => {
    const element = row(run);
    cells.forEach(([, text], column) => {
      const cell = element.children[column + 2];
      const now = text(run);
      if (cell.textContent !== now) cell.textContent = now;
    });
    element.children[2].className = `state ${run.state}`;
    return element;
  });
  const ids = new Set(runs.map((run) => run.id));
  for (const id of rows.keys()) if (!ids.has(id)) rows.delete(id);
  const same = elements.length === body.children.length && elements.every((element, at) => body.children[at] === element);
  if (!same) {
    const focused = document.activeElement;
    body.replaceChildren(...elements);
    if (body.contains(focused)) focused.focus();
  }
  $("none").hidden = runs.length > 0;
  $("count").textContent = visible.length === runs.length ? "" : `${visible.length} of ${runs.length}`;
  marks();
}

// Says in the list which runs are shown.
function marks() {
  for (const [id, element] of rows) {
    const is = shown.ids.includes(id);
    element.classList.toggle("shown", is);
    element.querySelector("input").checked = is;
  }
}

function choose(id, on) {
  // Whoever adds a run to the one that the page follows wants to see both.
  const from = chosen.length > 0 ? chosen : shown.ids;
  const others = from.filter((other) => other !== id);
  chosen = on ? [...others, id].slice(-MOST_SHOWN) : others;
  follow();
}

async function ask(request) {
  said("");
  const { ids: [id], checkpoint } = shown;
  try {
    const response = await fetch(`v1/runs/${id}/request`, {
      method: "POST",
      headers: headers({ "Content-Type": "application/json" }),
      body: JSON.stringify({ request }),
    });
    const answer = await response.json().catch(() => ({}));
    if (response.status === 401) {
      $("unlock").hidden = false;
      $("token").focus();
      said("This needs the token that stepladder watch printed.", true);
    } else if (!response.ok) {
      said(answer.error?.message ?? `The server says ${response.status}.`, true);
    } else {
      said(request === "stop" ? "Asked to stop .." : "Asked for a checkpoint ..");
      pending = { id, request, checkpoint };
    }
  } catch {
    said("The server does not answer.", true);
  }
}

$("checkpoint").addEventListener("click", () => ask("checkpoint"));
$("stop").addEventListener("click", () => ask("stop"));
$("follow").addEventListener("click", () => {
  chosen = [];
  follow();
});
$("filter").addEventListener("input", list);
$("unlock").addEventListener("submit", (event) => {
  event.preventDefault();
  token = $("token").value.trim();
  sessionStorage.setItem("token", token);
  $("unlock").hidden = true;
  said("");
  follow();
});
for (const head of document.querySelectorAll("#list th[data-key]")) {
  head.querySelector("button").addEventListener("click", () => {
    const { key } = head.dataset;
    sort = { key, down: sort.key === key ? !sort.down : !["name", "state", "model", "data"].includes(key) };
    sorted();
    list();
  });
}

function sorted() {
  for (const head of document.querySelectorAll("#list th[data-key]")) {
    if (head.dataset.key === sort.key) head.setAttribute("aria-sort", sort.down ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  }
}

// Values under the pointer, or at the place that the arrow keys move. They are read off the drawn lines.
let pointed = null;

function points(path) {
  return path.getAttribute("d").replace("h0", "").slice(1).split("L").map((point) => point.split(" ").map(Number));
}

function written(value, kind) {
  if (kind === "share") return `${(100 * value).toFixed(1)}%`;
  return value !== 0 && Math.abs(value) < 0.01 ? value.toExponential(2) : value.toFixed(4);
}

// Shows the values at `share` of the width of a chart.
function point(chart, share) {
  const end = Number(chart.dataset.end);
  const top = Number(chart.dataset.top);
  const cursor = chart.querySelector(".cursor");
  const values = chart.querySelector(".values");
  const found = [];
  let place = null;
  for (const path of chart.querySelectorAll(".lines path")) {
    const near = points(path).reduce((best, next) => (Math.abs(next[0] - 1000 * share) < Math.abs(best[0] - 1000 * share) ? next : best));
    // A line that ends before the pointer has no value there.
    if (Math.abs(near[0] / 1000 - share) * end > 0.75) continue;
    found.push([path.dataset.name, (1 - near[1] / 400) * top]);
    if (!path.classList.contains("faint")) place = near[0] / 1000;
  }
  place ??= share;
  if (found.length === 0) return;
  cursor.hidden = values.hidden = false;
  cursor.style.left = `${100 * place}%`;
  values.style.left = place < 0.5 ? `calc(${100 * place}% + .5rem)` : "auto";
  values.style.right = place < 0.5 ? "auto" : `calc(${100 * (1 - place)}% + .5rem)`;
  const lines = found.map(([name, value]) => `${name} ${written(value, chart.dataset.kind)}`);
  values.replaceChildren(
    ...[`epoch ${Number((place * end).toFixed(2))}`, ...lines].map((text) => {
      const line = document.createElement("div");
      line.textContent = text;
      return line;
    }),
  );
}

function unpoint() {
  pointed = null;
  for (const element of document.querySelectorAll(".cursor, .values")) element.hidden = true;
}

function chartNumber(chart) {
  return [...document.querySelectorAll(".chart")].indexOf(chart);
}

$("charts").addEventListener("pointermove", (event) => {
  const chart = event.target.closest(".chart");
  if (!chart) return;
  const { left, width } = chart.querySelector(".lines").getBoundingClientRect();
  const share = Math.min(1, Math.max(0, (event.clientX - left) / width));
  if (pointed?.chart !== chartNumber(chart)) unpoint();
  pointed = { chart: chartNumber(chart), share };
  point(chart, share);
});
$("charts").addEventListener("pointerleave", unpoint);
$("charts").addEventListener("focusout", unpoint);
$("charts").addEventListener("keydown", (event) => {
  const chart = event.target.closest(".chart");
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!chart || !step) return;
  event.preventDefault();
  const end = Number(chart.dataset.end);
  const from = pointed?.chart === chartNumber(chart) ? pointed.share : 1;
  pointed = { chart: chartNumber(chart), share: Math.min(1, Math.max(0, from + step / Math.max(end, 1))) };
  point(chart, pointed.share);
});

// A page that nobody sees costs nothing: the machine has a training to do.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    clearTimeout(retry);
    const mine = stream;
    stream = null;
    mine?.abort();
  } else {
    follow();
  }
});

findToken();
sorted();
follow();
