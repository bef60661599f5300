// Charts of pages and of fragments that come later. A canvas names the element that holds its numbers; the table beside it
// says the same.

const drawn = new Map();

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function isDark() {
  return document.documentElement.classList.contains("dark");
}

// Also told apart by their dashes and points: colour alone says nothing.
function dataset(series, place, kind) {
  const line = [colour(isDark() ? "--color-primary-300" : "--color-primary-700"), isDark() ? "#f5c880" : "#a35f00"][place % 2];
  return {
    label: series.label,
    data: series.values,
    borderColor: line,
    backgroundColor: kind === "line" ? "transparent" : line,
    borderWidth: kind === "line" ? 2 : 0,
    borderDash: place % 2 ? [6, 3] : [],
    pointStyle: place % 2 ? "rect" : "circle",
    pointRadius: 2,
    maxBarThickness: 18,
  };
}

function draw(canvas) {
  const held = document.getElementById(canvas.dataset.chart);
  if (!held) return;
  drawn.get(canvas)?.destroy();
  const { kind, labels, series } = JSON.parse(held.textContent);
  const text = colour("--sw-quiet"), line = colour("--sw-line");
  const numbers = { beginAtZero: true, ticks: { color: text, precision: 0 }, grid: { color: line } };
  const names = { ticks: { color: text, autoSkip: kind !== "bar" }, grid: { display: false } };
  if (kind === "bar") {
    // Room for every label.
    canvas.parentElement.style.height = `${Math.max(8, 2 + labels.length * 1.7)}rem`;
    names.ticks.callback = (value) => {
      const label = labels[value];
      return label.length > 32 ? `${label.slice(0, 31)}…` : label;
    };
  }
  drawn.set(canvas, new window.Chart(canvas, {
    type: kind === "line" ? "line" : "bar",
    data: { labels, datasets: series.map((one, place) => dataset(one, place, kind)) },
    options: {
      indexAxis: kind === "bar" ? "y" : "x",
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      interaction: { mode: "index", intersect: false, axis: kind === "bar" ? "y" : "x" },
      plugins: { legend: { display: series.length > 1, labels: { color: text, usePointStyle: true } } },
      scales: kind === "bar" ? { x: numbers, y: names } : { x: names, y: numbers },
    },
  }));
}

function drawAll(root) {
  for (const canvas of root.querySelectorAll("canvas[data-chart]")) draw(canvas);
}

window.Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
drawAll(document);
document.addEventListener("htmx:load", (event) => drawAll(event.detail.elt));
// The theme was switched.
new MutationObserver(() => {
  for (const canvas of drawn.keys()) if (canvas.isConnected) draw(canvas); else drawn.delete(canvas);
}).observe(document.documentElement, { attributeFilter: ["class"] });
