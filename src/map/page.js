// SPDX-License-Identifier: Apache-2.0
// The page of "ktctl map". What comes is what docs/schema/map.json says. Names,
// users and rules were written by others: they become text, never markup.
"use strict";

const SVG = "http://www.w3.org/2000/svg";
const SILENT_MS = 3000;   // three beats that did not come
const LATE_MS = 20000;    // what is on its way for longer is not waited for
const LOST_MS = 10000;    // the rates are of so long
const GRAPH_MAX = 40;     // Services in the picture; the table has all
const DEEP = 5;           // Services that call each other, one behind the other
const USUAL = ["selector", "auto", "preview"]; // modes that nobody needs to be told of
const state = { map: null, birdseye: null, status: null, traffic: null, beat: null };
const came = {};          // when each part did, by our clock
const $ = (id) => document.getElementById(id);
let chosen = null;        // the Service of the panel
let due = false;

// --- small things -----------------------------------------------------------

function make(tag, props, ...children) {
  const e = tag === "svg" || props && props.svg
    ? document.createElementNS(SVG, tag) : document.createElement(tag);
  for (const [k, v] of Object.entries(props || {}))
    if (k !== "svg" && v !== null && v !== undefined && v !== false) e.setAttribute(k, v);
  for (const c of children)
    if (c !== null && c !== undefined) e.append(c);
  return e;
}

// only what differs is touched: a screen reader and a selection stay in peace
function say(e, text) {
  if (e.textContent !== text) e.textContent = text;
}

function look(e, name) {
  if (e.getAttribute("class") !== name) e.setAttribute("class", name);
}

function span(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 120) return s + "s";
  if (s < 7200) return Math.floor(s / 60) + "m";
  if (s < 172800) return Math.floor(s / 3600) + "h";
  return Math.floor(s / 86400) + "d";
}

function bytes(n) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let u = 0;
  for (; n >= 1024 && u < units.length - 1; u++) n /= 1024;
  return (u && n < 10 ? n.toFixed(1) : Math.round(n)) + " " + units[u];
}

function ms(us) {
  return us < 10000 ? (us / 1000).toFixed(1) + " ms" : Math.round(us / 1000) + " ms";
}

function rate(n) {
  return n === 0 ? "0" : n < 10 ? n.toFixed(1) : String(Math.round(n));
}

function since(text, now) {
  const at = Date.parse(text || "");
  return Number.isNaN(at) ? "" : span((now - at) / 1000);
}

// --- what the rows say ------------------------------------------------------

function aliveText(s) {
  const age = s.age === null ? "" : span(s.age);
  switch (s.state) {
  case "connected": return "there";
  case "away": return "lost " + age + " ago";
  case "absent": return "nobody is connected";
  case "killed": return "was killed";
  case "beating": return "heartbeat " + age + " ago";
  case "silent": return "no heartbeat for " + age;
  case "running": return "its container runs";
  case "gone": return "its Pod is gone";
  case "living": return "there with its environment";
  case "ended": return "its environment ended";
  }
  return "unknown";
}

function aliveClass(s) {
  return s.alive === null ? "unknown" : s.alive ? "yes" : "no";
}

function who(s) {
  return (s.user || "somebody") + (s.machine ? "@" + s.machine : "");
}

function key(s) {
  return s.namespace + "/" + s.name;
}

// by Service, made when it comes
let traffic = new Map();

let lost = -Infinity;     // when events were dropped last, by our clock

// the numbers are too low until these seconds have passed
function noteTraffic(before, now) {
  traffic = new Map((now && now.services || []).map((t) => [key(t), t]));
  if (before && now && now.dropped > before.dropped) lost = performance.now();
}

// a second of what was counted in all of them
function per(n) {
  return n / state.traffic.seconds;
}

function services() {
  return state.birdseye ? state.birdseye.services : [];
}

function shown() {
  const words = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  const held = $("held").checked;
  return services().filter((s) => {
    if (held && !s.sessions.length) return false;
    if (!words.length) return true;
    const text = [s.name, s.status, ...s.sessions.flatMap((x) => [who(x), x.rule, x.mode])]
      .join(" ").toLowerCase();
    return words.every((w) => text.includes(w));
  }).sort((a, b) => (b.sessions.length > 0) - (a.sessions.length > 0));
}

// --- tables, row by row -----------------------------------------------------

// Rows are kept by their key, so that focus and place stay where they are; what
// would say the same as before is not even looked at.
const filled = new WeakMap();

function table(body, items, keyOf, build, fill, more = () => 0) {
  const focus = document.activeElement;
  const old = new Map(), keys = new Set(items.map(keyOf));
  // first, so that those behind them need not be moved: that would blur them
  for (const tr of [...body.children])
    if (keys.has(tr.dataset.key)) old.set(tr.dataset.key, tr);
    else tr.remove();
  let at = body.firstElementChild;
  for (const item of items) {
    const k = keyOf(item);
    let tr = old.get(k);
    if (!tr) {
      tr = build(item);
      tr.dataset.key = k;
    }
    old.delete(k);
    const text = JSON.stringify([item, more(k)]);
    if (filled.get(tr) !== text) {
      filled.set(tr, text);
      fill(tr, item);
    }
    if (tr === at) at = at.nextElementSibling;
    else body.insertBefore(tr, at);
  }
  for (const tr of old.values()) tr.remove();
  if (focus !== document.activeElement && body.contains(focus)) focus.focus({ preventScroll: true });
}

function cells(classes) {
  const tr = make("tr");
  for (const c of classes) tr.append(make("td", c ? { class: c } : null));
  return tr;
}

function buildService(s) {
  const tr = cells(["", "", "", "", "number", "number", "number"]);
  const button = make("button", { type: "button", "aria-haspopup": "dialog" });
  button.textContent = s.name;
  button.addEventListener("click", () => openPanel(tr.dataset.key));
  tr.firstElementChild.append(button);
  return tr;
}

function fillService(tr, s) {
  const [, status, by, rules, reqs, errors, latency] = tr.children;
  const t = traffic.get(key(s));
  const modes = [...new Set(s.sessions.map((x) => x.mode))].filter((m) => !USUAL.includes(m));
  say(status, s.status + (modes.length ? " (" + modes.join(", ") + ")" : ""));
  look(status, s.status);
  lines(by, s.sessions.map((x) => [who(x) + " · " + aliveText(x), aliveClass(x)]));
  lines(rules, s.sessions.map((x) => [x.rule === "all" ? "all" : x.rule, ""]));
  say(reqs, t ? rate(per(t.calls)) : "–");
  say(errors, t ? rate(per(t.failed)) : "–");
  look(errors, t && t.failed > 0 ? "number no" : "number");
  say(latency, t && t.latency_us !== null ? ms(t.latency_us) : "–");
}

function lines(td, list) {
  while (td.children.length > list.length) td.lastElementChild.remove();
  list.forEach(([text, name], i) => {
    const div = td.children[i] || td.appendChild(make("div"));
    say(div, text);
    look(div, name);
  });
}

function fillSession(tr, s) {
  const now = Date.now();
  const text = [s.id, s.target || "", s.state,
    s.probe ? ms(s.probe.latency_us) : "–", bytes(s.bytes_in), bytes(s.bytes_out),
    String(s.streams), since(s.since, now),
    s.last_loss ? s.reconnects + "×, " + since(s.last_loss.at, now) + " ago: " + s.last_loss.reason : ""];
  text.forEach((x, i) => say(tr.children[i], x));
  look(tr.children[2], s.state);
}

function drawTables() {
  const all = services();
  const list = shown();
  const held = all.filter((s) => s.sessions.length).length;
  say($("services-count"), list.length === all.length
    ? all.length + " in all, " + held + " taken"
    : list.length + " of " + all.length);
  table($("rows"), list, key, buildService, fillService,
    (k) => traffic.has(k) && [traffic.get(k), state.traffic.seconds]);

  const sessions = state.status ? state.status.sessions : [];
  const up = sessions.filter((s) => s.state === "up").length;
  say($("sessions-count"), sessions.length ? sessions.length + " run, " + up + " up" : "none runs");
  table($("session-rows"), sessions, (s) => s.id,
    () => cells(["", "", "", "number", "number", "number", "number", "number", ""]),
    fillSession, () => Math.floor(Date.now() / 1000));

  const connectors = state.birdseye && state.birdseye.connectors || [];
  $("connected").hidden = !connectors.length;
  table($("connectors"), connectors, (c) => c.pod || who(c), () => make("li"), (li, c) => {
    say(li, who(c) + (c.shared ? " (shared, " + (c.clients === null ? "?" : c.clients) + " connected)" : "") +
      " · " + aliveText(c));
    look(li, aliveClass(c));
  });
}

// --- the picture ------------------------------------------------------------

// From left to right: who calls, the Services that are called or taken, who has
// them. A caller that is one of these Services is not drawn twice, so a chain
// takes more columns. It says nothing that the table does not.
function pictured() {
  const list = services().filter((s) => s.sessions.length || traffic.has(key(s)));
  // those that are taken first; by name, so that nothing jumps
  list.sort((a, b) => (b.sessions.length > 0) - (a.sessions.length > 0) || (key(a) < key(b) ? -1 : 1));
  return { list: list.slice(0, GRAPH_MAX), left: Math.max(0, list.length - GRAPH_MAX) };
}

// Who has it: somebody's machine; or, of an environment, what was made in the
// cluster, which is no box of its maker's
function isInCluster(x) {
  return x.command === "env" && x.mode !== "local";
}

function holder(x) {
  const what = { image: "copy", selector: "other Pods", service: "other Service" };
  return isInCluster(x) ? (what[x.mode] || x.mode) + " by " + who(x) : who(x);
}

function holderId(s, x) {
  return "h " + (isInCluster(x) ? key(s) + " " + x.rule : who(x)) + " " + x.command;
}

function layout(list) {
  const nodes = new Map(), edges = [];
  const put = (column, id, node) => {
    if (!nodes.has(id)) nodes.set(id, { column, id, ...node });
    return nodes.get(id);
  };
  const names = new Set(list.map(key));
  for (const s of list) {
    put(1, "s " + key(s), { service: s, title: s.name, note: s.status, look: s.status });
    for (const x of s.sessions) {
      const id = holderId(s, x);
      put(2, id, { title: holder(x), note: aliveText(x), look: aliveClass(x) });
      edges.push({ from: "s " + key(s), to: id, label: x.rule === "all" ? "" : x.rule, rate: 0, errors: 0 });
    }
  }
  for (const e of state.traffic && state.traffic.edges || []) {
    const to = e.namespace + "/" + e.name;
    if (!names.has(to)) continue;
    const caller = e.caller === null ? "unknown" : e.caller;
    const own = e.namespace + "/" + caller;
    const id = names.has(own) && own !== to ? "s " + own : "c " + caller;
    put(0, id, { title: caller, note: "", look: "" });
    edges.push({ from: id, to: "s " + to, rate: per(e.calls), errors: per(e.failed),
      label: rate(per(e.calls)) + "/s" + (e.failed ? ", " + rate(per(e.failed)) + " failed" : "") });
  }
  return arrange([...nodes.values()], edges);
}

// Each behind those that call it, who has them last; a circle ends somewhere
function arrange(nodes, edges) {
  const at = new Map(nodes.map((n) => [n.id, n]));
  for (let turn = 1; turn < DEEP; turn++)
    for (const e of edges) {
      const from = at.get(e.from), to = at.get(e.to);
      if (to.service && from.column >= to.column && to.column < DEEP) to.column = from.column + 1;
    }
  const last = Math.max(1, ...nodes.filter((n) => n.service).map((n) => n.column)) + 1;
  for (const n of nodes) if (n.id.startsWith("h ")) n.column = last;
  const used = [...new Set(nodes.map((n) => n.column))].sort((a, b) => a - b);
  for (const n of nodes) n.column = used.indexOf(n.column);
  return { nodes, edges, many: used.length };
}

function draw() {
  const { list, left } = pictured();
  const { nodes, edges, many } = layout(list);
  const wide = Math.max(many * 190, $("graph").clientWidth || 900);
  const box = { w: Math.min(230, wide / Math.max(many, 2) - 60), h: 36, gap: 12 };
  const columns = [...Array(Math.max(many, 1)).keys()].map((c) => nodes.filter((n) => n.column === c));
  const tall = Math.max(1, ...columns.map((c) => c.length)) * (box.h + box.gap) + 10;
  const x = columns.map((_, c) => many === 1 ? 2 : 2 + c * (wide - box.w - 4) / (many - 1));
  const text = JSON.stringify([wide, nodes.map((n) => [n.id, n.note, n.look]), edges]);

  const notes = [];
  if (!list.length) notes.push("Nothing is taken, and no request has been seen.");
  if (left) notes.push(left + " more are in the table");
  if (performance.now() - lost < LOST_MS) notes.push("Not all requests could be counted: there are more than is shown");
  say($("graph-note"), notes.join(" · "));
  if (draw.before === text) return;
  draw.before = text;
  const focus = document.activeElement && document.activeElement.dataset && document.activeElement.dataset.id;
  columns.forEach((c, k) => c.forEach((n, i) => {
    n.x = x[k];
    n.y = 5 + (tall - 10) * (i + 0.5) / c.length - box.h / 2;
  }));
  const svg = make("svg", { viewBox: "0 0 " + wide + " " + Math.ceil(tall), role: "group",
    "aria-labelledby": "graph-title" });
  const byId = new Map(nodes.map((n) => [n.id, n]));
  for (const e of edges) drawEdge(svg, byId.get(e.from), byId.get(e.to), e, box);
  for (const n of nodes) drawNode(svg, n, box);
  $("graph").replaceChildren(...(nodes.length ? [svg] : []));
  if (focus) for (const n of svg.querySelectorAll("[data-id]")) if (n.dataset.id === focus) n.focus();
}

function drawEdge(svg, from, to, e, box) {
  const x1 = from.x + box.w, y1 = from.y + box.h / 2, x2 = to.x, y2 = to.y + box.h / 2;
  const mid = (x1 + x2) / 2;
  svg.append(make("path", { svg: true, "aria-hidden": "true",
    class: (e.errors > 0 ? "error " : "") + (e.rate > 0 ? "busy" : ""),
    "stroke-width": 1.5 + Math.min(4, Math.log2(1 + e.rate)),
    d: "M" + x1 + " " + y1 + "C" + mid + " " + y1 + " " + mid + " " + y2 + " " + x2 + " " + y2 }));
  if (!e.label) return;
  svg.append(make("text", { svg: true, class: "soft", "aria-hidden": "true", "text-anchor": "middle",
    x: mid, y: (y1 + y2) / 2 - 4 }, fit(e.label, x2 - x1)));
}

function fit(text, width) {
  const most = Math.max(6, Math.floor(width / 6.2));
  return text.length > most ? text.slice(0, most - 1) + "…" : text;
}

function drawNode(svg, n, box) {
  const g = make("g", { svg: true, class: "node " + n.look, "data-id": n.id });
  g.append(make("rect", { svg: true, x: n.x, y: n.y, width: box.w, height: box.h, rx: 6 }),
    make("text", { svg: true, x: n.x + 9, y: n.y + 15 }, fit(n.title, box.w - 14)),
    make("text", { svg: true, class: "soft", x: n.x + 9, y: n.y + 29 }, fit(n.note, box.w - 14)));
  g.append(make("title", { svg: true }, n.title + (n.note ? ": " + n.note : "")));
  if (n.service) {
    g.setAttribute("role", "button");
    g.setAttribute("tabindex", "0");
    g.setAttribute("aria-label", "Service " + n.title + ", " + n.note);
  }
  svg.append(g);
}

// The picture may be drawn anew between press and release, and then there is no
// click: so what was pressed is known by its name.
let pressed = null;

function nodeOf(ev) {
  const g = ev.target.closest("[data-id]");
  return g ? g.dataset.id : null;
}

function chooseNode(id) {
  if (id && id.startsWith("s ")) openPanel(id.slice(2));
}

$("graph").addEventListener("pointerdown", (ev) => { pressed = ev.button === 0 ? nodeOf(ev) : null; });
$("graph").addEventListener("pointercancel", () => { pressed = null; });
$("graph").addEventListener("pointerup", (ev) => {
  if (pressed && nodeOf(ev) === pressed) chooseNode(pressed);
  pressed = null;
});
// of a screen reader, which presses nothing
$("graph").addEventListener("click", (ev) => { if (ev.detail === 0) chooseNode(nodeOf(ev)); });
$("graph").addEventListener("keydown", (ev) => {
  if (ev.key !== "Enter" && ev.key !== " ") return;
  ev.preventDefault();
  chooseNode(nodeOf(ev));
});

// --- the panel --------------------------------------------------------------

// A word for a shell; names of Kubernetes need no quotes
function word(text) {
  return /^[A-Za-z0-9_.,:\/@%+=-]+$/.test(text) ? text : "'" + text.replace(/'/g, "'\\''") + "'";
}

function commandsFor(s) {
  const flags = ["-n", s.namespace, ...(state.map && state.map.flags || [])];
  const port = $("port").value || "8080";
  const mark = $("mark").value;
  const line = (...words) => ["ktctl", ...words, ...flags].map(word).join(" ");
  const list = [
    ["Only requests with a mark come here (mesh)",
      line("mesh", s.name, "--expose", port, ...(mark ? ["--versionMark", mark] : []))],
    ["Every request comes here (exchange)", line("exchange", s.name, "--expose", port)],
    ["Reach it at a port of this machine (forward)", line("forward", s.name)],
  ];
  if (s.sessions.length)
    list.push(["Give it back at once, whoever has it (recover)", line("recover", s.name)]);
  return list;
}

async function copy(text, button) {
  let done = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch (_) {
    const range = document.createRange();
    range.selectNodeContents(button.previousElementSibling);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    done = document.execCommand("copy");
  }
  say(button, done ? "Copied" : "Press Ctrl-C");
  say($("said"), done ? "The command is copied" : "The command is selected");
  setTimeout(() => say(button, "Copy"), 2000);
}

function buildCommand(title) {
  const code = make("code"), button = make("button", { type: "button" }, "Copy");
  const p = make("p", null, title);
  button.setAttribute("aria-label", "Copy the command: " + title);
  button.addEventListener("click", () => copy(code.textContent, button));
  return make("div", { class: "command" }, p, make("div", null, code, button));
}

function drawPanel() {
  if (!chosen) return;
  const s = services().find((x) => key(x) === chosen);
  if (!s) {
    lines($("panel-held"), [["This Service is gone.", "no"]]);
    $("commands").replaceChildren();
    return;
  }
  say($("panel-title"), s.name + "." + s.namespace);
  lines($("panel-held"), s.sessions.length ? s.sessions.map((x) =>
    [x.command + " by " + who(x) + ", " + (x.rule === "all" ? "every request" : x.rule) +
      (x.since ? ", for " + since(x.since, Date.now()) : "") + " · " + aliveText(x), aliveClass(x)])
    : [["Its own Pods answer.", "normal"]]);
  table($("commands"), commandsFor(s), ([title]) => title, ([title]) => buildCommand(title),
    (e, [, text]) => say(e.querySelector("code"), text));
}

function openPanel(k) {
  chosen = k;
  $("panel-held").replaceChildren();
  drawPanel();
  if (!$("panel").open) $("panel").showModal();
}

// --- is it live? ------------------------------------------------------------

// What lies between ktctl's clock and ours, as far as is known: the least that
// was seen is that of a beat that was not on its way for long. Clocks do not
// run alike, so it may grow, but slower than what is late.
let between = Infinity, betweenAt = 0;
const DRIFT = 0.001;

function compareClocks(beat, now) {
  between = Math.min(between + (now - betweenAt) * DRIFT, now - beat.clock_ms);
  betweenAt = now;
}

// A beat says how old each part was when it left; what was not said since is
// older by now, and so it is if the beat was long on its way. Nothing counts as
// live without it.
function judge() {
  const beat = state.beat, now = performance.now();
  const silent = beat ? now - came.beat : Infinity;
  const quiet = beat ? Math.max(silent, now - between - beat.clock_ms) : Infinity;
  const wrong = []; // what, and since when: that is counted on, and not read out
  const old = (age) => age.age_ms === null ? "not read yet" : span((age.age_ms + quiet) / 1000) + " old";
  if (over) {
    wrong.push(["ktctl map has ended, and another program answers in its place: close this page", ""]);
  } else if (!beat) {
    if (now > SILENT_MS) wrong.push(["ktctl map does not answer", ""]);
  } else if (quiet > SILENT_MS) {
    wrong.push([silent > SILENT_MS ? "ktctl map is not heard any more" : "what ktctl map says comes late",
      "all is " + span(quiet / 1000) + " old"]);
    if (silent <= SILENT_MS && quiet > LATE_MS) again();
  } else {
    if (!beat.cluster.live)
      wrong.push(["the cluster does not answer" + (beat.cluster.error ? " (" + beat.cluster.error + ")" : ""),
        "the Services are " + old(beat.cluster)]);
    if (!beat.sessions.live)
      wrong.push(["this machine's sessions do not answer", "they are " + old(beat.sessions)]);
  }
  const live = beat && !wrong.length;
  say($("live"), live ? "live" : wrong.length ? "not live" : "connecting");
  look($("live"), live ? "pill good" : wrong.length ? "pill bad" : "pill");
  look($("main"), live ? "" : "old");
  say($("banner-what"), wrong.length ? "Not live: " + wrong.map((x) => x[0]).join("; ") + "." : "");
  say($("banner-age"), wrong.map((x) => x[1]).filter(Boolean).join("; "));
  $("banner").hidden = !wrong.length;
}

// --- what comes -------------------------------------------------------------

function redraw() {
  due = false;
  // columns of which nothing is known are left out
  look($("services"), state.traffic ? "" : "untold");
  drawTables();
  draw();
  drawPanel();
  judge();
}

function schedule() {
  if (due) return;
  due = true;
  // a tab in the background gets no frames, and needs none
  if (document.hidden) setTimeout(redraw, 1000);
  else requestAnimationFrame(redraw);
}

function drawWhere() {
  const m = state.map;
  const part = (name, value) => [name + " ", make("b", null, value)];
  $("where").replaceChildren(...part("namespace", m.namespace),
    ...(m.context ? [" · ", ...part("context", m.context)] : []), " · ktctl " + m.program);
  document.title = m.namespace + " · ktctl map";
}

// Another program may have the port once ktctl map has ended. Only the one that
// this page is from knows what stands in it, and begins each stream with that.
const PROOF = document.querySelector("meta[name=proof]").content;
let source = null;
let proved = false;
let over = false;

// a new stream begins with what is now, and with clocks that are not compared
function again() {
  source.close();
  between = Infinity;
  state.beat = null;
  listen();
}

function end() {
  over = true;
  source.close();
  judge();
}

function take(name, data) {
  const before = state[name];
  state[name] = data;
  came[name] = performance.now();
  if (name === "map") drawWhere();
  if (name === "beat" && data) compareClocks(data, came.beat);
  if (name === "traffic") noteTraffic(before, data);
  schedule();
}

function listen() {
  proved = false;
  source = new EventSource("events");
  for (const name of Object.keys(state))
    source.addEventListener(name, (ev) => {
      if (over) return;
      const data = JSON.parse(ev.data);
      if (name === "map") proved = data !== null && data.proof === PROOF;
      if (proved) take(name, data);
      else end();
    });
  source.addEventListener("open", () => { proved = false; });
  // a browser gives up for good after an answer that is none
  source.addEventListener("error", () => {
    proved = false;
    schedule();
    if (over || source.readyState !== EventSource.CLOSED) return;
    source.close();
    setTimeout(listen, 2000);
  });
}

// --- keys -------------------------------------------------------------------

function move(from, step) {
  const all = [...$("rows").querySelectorAll("button")];
  const at = all.indexOf(from);
  if (at >= 0 && all[at + step]) all[at + step].focus();
}

document.addEventListener("keydown", (ev) => {
  const typing = ev.target.tagName === "INPUT";
  if (ev.key === "/" && !typing && !$("panel").open) {
    ev.preventDefault();
    $("filter").focus();
  } else if (ev.key === "Escape" && ev.target === $("filter")) {
    $("filter").value = "";
    redraw();
  } else if (ev.target.closest && ev.target.closest("#rows") && (ev.key === "ArrowDown" || ev.key === "ArrowUp")) {
    ev.preventDefault();
    move(ev.target, ev.key === "ArrowDown" ? 1 : -1);
  } else if (ev.key === "ArrowDown" && ev.target === $("filter")) {
    const first = $("rows").querySelector("button");
    if (first) first.focus();
  }
});
$("filter").addEventListener("input", redraw);
$("held").addEventListener("change", redraw);
$("port").addEventListener("input", drawPanel);
$("mark").addEventListener("input", drawPanel);
$("panel").addEventListener("close", () => { chosen = null; });
addEventListener("resize", schedule);
setInterval(judge, 500);
listen();
