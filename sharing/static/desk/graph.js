// The graph around a thing: drawn by Cytoscape, moved through by keyboard, and the same as a table.
// What partners sent is set as text only.

const place = document.getElementById("graph");
const told = JSON.parse(document.getElementById("graph-json").textContent);
const canvas = document.getElementById("graph-canvas");
const drawing = document.getElementById("graph-drawing");
const table = document.getElementById("graph-table");
const said = document.getElementById("graph-said");
const toggle = document.getElementById("graph-toggle");
const open = document.getElementById("graph-open");
const expandButton = document.getElementById("graph-expand");
const dark = document.documentElement.classList.contains("dark");
const ink = dark ? "#e6edf1" : "#202b34";
const FILLS = {
  indicators: "#1f879d", campaigns: "#b4531c", actors: "#98201f", infrastructure: "#5a4fb0", activity: "#17603a",
  tools: "#7a4a00", reports: "#5b6b78", evidence: "#8a3d78", other: "#455461",
};

const { default: cytoscape } = await import(new URL(place.dataset.library, document.baseURI).href);

const short = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
const kindOf = (node) => told.kinds[node.kind] ?? told.kinds.other;

// The letter of its kind in the middle of a node: neither shape nor colour has to be told apart.
function letterOf(letter) {
  const drawn = `<svg xmlns="http://www.w3.org/2000/svg" width="30" height="30"><text x="15" y="19.5" font-family="sans-serif" font-size="12" font-weight="700" fill="#fff" text-anchor="middle">${letter}</text></svg>`;
  return `data:image/svg+xml;utf8,${encodeURIComponent(drawn)}`;
}

function nodeElement(node) {
  const kind = kindOf(node);
  return {
    group: "nodes",
    data: {
      ...node, shape: kind.shape, fill: FILLS[node.kind] ?? FILLS.other,
      label: `${short(node.title, 34)}${node.alleged ? " (alleged)" : ""}`,
      letter: letterOf(kind.letter),
    },
    classes: node.alleged ? "alleged" : "",
  };
}

const edgeElement = (edge) => ({ group: "edges", data: { ...edge }, classes: edge.alleged ? "alleged" : "" });

// Circles around the middle, nearer ones first: an order that is the same at every visit.
const layout = {
  name: "cose", animate: false, randomize: false, nodeRepulsion: () => 60000, idealEdgeLength: () => 90, padding: 30,
  nodeDimensionsIncludeLabels: true,
};

drawing.hidden = false;
const cy = cytoscape({
  container: canvas,
  elements: [...told.nodes.map(nodeElement), ...told.edges.map(edgeElement)],
  minZoom: 0.15, maxZoom: 3, boxSelectionEnabled: false, selectionType: "single",
  style: [
    { selector: "node", style: {
      shape: "data(shape)", "background-color": "data(fill)", width: 36, height: 36,
      "background-image": "data(letter)", "background-fit": "contain", "background-clip": "none", label: "data(label)", color: ink,
      "font-size": 15, "min-zoomed-font-size": 6, "text-valign": "bottom", "text-margin-y": 4, "text-wrap": "wrap", "text-max-width": 150,
      "border-width": 1, "border-color": ink, "font-family": "Inter, sans-serif",
    } },
    { selector: "node.alleged", style: { "border-style": "dashed", "border-width": 3 } },
    { selector: "edge", style: {
      width: 1.5, "line-color": "#7a8a96", "target-arrow-color": "#7a8a96", "target-arrow-shape": "triangle",
      "curve-style": "bezier", label: "data(label)", "font-size": 11, "min-zoomed-font-size": 9, color: ink, "text-rotation": "autorotate",
      "text-background-color": dark ? "#141c23" : "#ffffff", "text-background-opacity": 0.85, "text-background-padding": 1,
    } },
    { selector: "edge.alleged", style: { "line-style": "dashed" } },
    { selector: "node:selected", style: { "border-width": 5, "border-color": dark ? "#f5c880" : "#b4531c", width: 42, height: 42 } },
    // Far away only what the selected node has to do with others is written out.
    { selector: "edge.near", style: { width: 3, "font-size": 13, "min-zoomed-font-size": 5, "line-color": "#1f879d", "target-arrow-color": "#1f879d" } },
  ],
});

function arrange() {
  const root = cy.getElementById(told.root);
  cy.layout({
    name: "concentric", animate: false, minNodeSpacing: 30,
    concentric: (node) => -distance(root, node), levelWidth: () => 1,
  }).run();
  cy.layout(layout).run();
  // The canvas is wider than high.
  const box = cy.elements().boundingBox();
  const lower = Math.min(1, Math.max(0.65, cy.height() / 0.5 / box.h));
  const wider = Math.min(2.5, Math.max(1, (cy.width() / cy.height()) / (box.w / (box.h * lower))));
  cy.nodes().positions((node) => ({ x: node.position("x") * wider, y: node.position("y") * lower }));
  cy.fit(undefined, 20);
  if (cy.zoom() < 0.45) {
    cy.zoom(0.45);
    cy.center();
    reveal(root);
  }
}

let distances = null;
function distance(root, node) {
  if (!distances) {
    distances = new Map();
    cy.elements().bfs({ roots: root, directed: false, visit: (one, _edge, _before, _nth, depth) => { distances.set(one.id(), depth); } });
  }
  return distances.get(node.id()) ?? 9;
}

const selected = () => cy.nodes(":selected").first();

function announce(text) {
  said.textContent = text;
}

function select(node) {
  cy.elements().unselect().removeClass("near");
  node.select();
  node.connectedEdges().addClass("near");
  const one = node.data();
  const count = node.neighborhood("node").length;
  open.href = one.subject === null ? place.dataset.page.replace("NODE", encodeURIComponent(one.id)) : place.dataset.subject.replace("/0/", `/${one.subject}/`);
  open.textContent = `Open ${short(one.title, 40)}`;
  const more = node.scratch("left");
  const behind = more === undefined ? "Enter expands." : more ? `${more} more: Enter shows the next.` : "All its neighbours are shown.";
  announce(`${kindOf(one).title}: ${one.title}${one.alleged ? " (alleged)" : ""}, ${one.type}. ${count} neighbour${count === 1 ? "" : "s"} shown. ${behind}`);
}

function reveal(node) {
  const box = node.renderedBoundingBox();
  if (box.x1 < 0 || box.y1 < 0 || box.x2 > cy.width() || box.y2 > cy.height()) cy.center(node);
}

// The neighbour that lies most in a direction; where none does, the next one round.
function step(dx, dy) {
  const from = selected();
  if (from.empty()) return select(cy.getElementById(told.root));
  const near = from.neighborhood("node");
  if (near.empty()) return announce(`${from.data("title")} has no neighbours shown. Enter expands.`);
  const at = from.position();
  let best = null;
  let least = Infinity;
  near.forEach((node) => {
    const x = node.position("x") - at.x;
    const y = node.position("y") - at.y;
    const length = Math.hypot(x, y) || 1;
    const along = (x * dx + y * dy) / length;
    if (along < 0.35) return;
    const cost = length * (2 - along);
    if (cost < least) { least = cost; best = node; }
  });
  if (!best) {
    const turn = (from.scratch("turn") ?? -1) + 1;
    from.scratch("turn", turn);
    best = near[turn % near.length];
  }
  select(best);
  reveal(best);
}

// Of many around one node only those that lie most in a direction are met by arrows: so all can be gone through.
function turn(by) {
  const all = cy.nodes();
  const place = all.indexOf(selected());
  select(all[(Math.max(place, 0) + by + all.length) % all.length]);
  reveal(selected());
}

async function expand(node) {
  if (node.empty() || node.scratch("busy")) return;
  const cursor = node.scratch("cursor") ?? "";
  if (node.scratch("left") === 0) return announce(`All neighbours of ${node.data("title")} are shown.`);
  node.scratch("busy", true);
  announce(`Looking for what is connected with ${node.data("title")} …`);
  try {
    const address = new URL(place.dataset.neighbours.replace("NODE", encodeURIComponent(node.id())), document.baseURI);
    address.searchParams.set("cursor", cursor);
    const answer = await fetch(address, { headers: { Accept: "application/json" } });
    const found = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(found.problem ?? `The server answered ${answer.status}.`);
    const fresh = found.nodes.filter((one) => cy.getElementById(one.id).empty());
    const at = node.position();
    fresh.forEach((one, nth) => {
      const angle = (2 * Math.PI * nth) / fresh.length;
      const radius = 110 + 45 * Math.floor(nth / 16);
      cy.add({ ...nodeElement(one), position: { x: at.x + radius * Math.cos(angle), y: at.y + radius * Math.sin(angle) } });
    });
    for (const edge of found.edges) if (cy.getElementById(edge.id).empty()) cy.add(edgeElement(edge));
    node.scratch("cursor", found.cursor);
    node.scratch("left", found.cursor ? found.more : 0);
    tell();
    select(node);
    announce(`${fresh.length} added around ${node.data("title")}. ${found.cursor ? `${found.more}${found.moreIsLeast ? " or more" : ""} more: Enter shows the next.` : "That is all."}`);
  } catch (problem) {
    announce(`It could not be expanded. ${problem.message}`);
  } finally {
    node.scratch("busy", false);
  }
}

function cell(node) {
  const made = document.createElement("td");
  const letter = document.createElement("b");
  letter.textContent = `${kindOf(node).letter} `;
  const link = document.createElement("a");
  link.href = place.dataset.page.replace("NODE", encodeURIComponent(node.id));
  link.textContent = short(node.title, 120);
  const type = document.createElement("span");
  type.className = "sw-quiet sw-small";
  type.textContent = ` ${node.type}${node.alleged ? " · alleged" : ""}`;
  made.append(letter, link, type);
  return made;
}

// The table says what the drawing says.
function tell() {
  const body = table.querySelector("tbody");
  const rows = cy.edges().map((edge) => [edge.source().data(), edge.data(), edge.target().data()]);
  rows.sort((one, other) => {
    const name = ([source, edge, target]) => [kindOf(source).title, source.title, edge.label, target.title].join("\u0000");
    return name(one) < name(other) ? -1 : 1;
  });
  if (!rows.length) return;
  body.replaceChildren(...rows.map(([source, edge, target]) => {
    const row = document.createElement("tr");
    const what = document.createElement("td");
    what.textContent = edge.label;
    if (edge.alleged) {
      const badge = document.createElement("span");
      badge.className = "sw-badge sw-warn";
      badge.textContent = "alleged";
      what.append(" ", badge);
    }
    row.append(cell(source), what, cell(target));
    return row;
  }));
}

const ARROWS = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] };
const PAN = 100; // pixels
const zoom = (factor) => cy.zoom({ level: cy.zoom() * factor, renderedPosition: { x: cy.width() / 2, y: cy.height() / 2 } });
// The window moves over the drawing, so what is drawn moves the other way.
const pan = (x, y) => cy.panBy({ x: -PAN * x, y: -PAN * y });

canvas.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const arrow = ARROWS[event.key];
  if (arrow && event.shiftKey) pan(...arrow);
  else if (arrow) step(...arrow);
  else if (event.key === "PageDown") turn(1);
  else if (event.key === "PageUp") turn(-1);
  else if (event.key === "Enter") expand(selected());
  else if (event.key === "+" || event.key === "=") zoom(1.25);
  else if (event.key === "-") zoom(0.8);
  else if (event.key === "0") cy.fit(undefined, 30);
  else if (event.key === "Home") { select(cy.getElementById(told.root)); reveal(selected()); }
  else if (event.key === "Escape") toggle.focus();
  else return;
  event.preventDefault();
});
canvas.addEventListener("focus", () => { if (selected().empty()) select(cy.getElementById(told.root)); });
cy.on("tap", "node", (event) => select(event.target));
cy.on("dbltap", "node", (event) => expand(event.target));
expandButton.addEventListener("click", () => expand(selected()));
for (const button of document.querySelectorAll("#graph-tools [data-zoom]")) {
  button.addEventListener("click", () => zoom(Number(button.dataset.zoom)));
}
document.getElementById("graph-fit").addEventListener("click", () => cy.fit(undefined, 30));
toggle.addEventListener("click", () => {
  const asTable = drawing.hidden === false;
  drawing.hidden = asTable;
  table.hidden = !asTable;
  toggle.setAttribute("aria-pressed", String(asTable));
  if (!asTable) { cy.resize(); cy.fit(undefined, 30); }
});

document.getElementById("graph-tools").hidden = false;
said.hidden = false;
table.hidden = true;
arrange();
select(cy.getElementById(told.root));
place.dataset.ready = "1";
// For tests that drive a browser: what is drawn, without reading pixels.
place.graph = { nodes: () => cy.nodes().map((node) => node.id()), edges: () => cy.edges().map((edge) => edge.id()), selected: () => selected().id(), view: () => ({ zoom: cy.zoom(), ...cy.pan() }) };
