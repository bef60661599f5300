// The charts of a campaign; the table beside them says the same.

const days = JSON.parse(document.getElementById("days")?.textContent ?? "[]");
const SERIES = [
  ["claims", "Claims", "#1f879d"], ["sightings", "Sightings", "#b4531c"], ["observations", "Observations", "#8a3d78"],
  ["decisions", "Decisions", "#7a4a00"], ["releases", "Releases", "#17603a"],
];
const dark = document.documentElement.classList.contains("dark");
const ink = dark ? "#c9d3da" : "#34414c";
const grid = dark ? "#34414c" : "#e1e7eb";

function scales(titles) {
  const found = { x: { stacked: titles.stacked, ticks: { color: ink }, grid: { color: grid } } };
  for (const [axis, title, position] of titles.axes) {
    found[axis] = {
      position, stacked: titles.stacked, beginAtZero: true, ticks: { color: ink, precision: 0 }, grid: { color: grid },
      title: { display: true, text: title, color: ink },
    };
  }
  return found;
}

const common = { responsive: true, maintainAspectRatio: false, animation: false, plugins: { legend: { labels: { color: ink } } } };

if (days.length && window.Chart) {
  document.getElementById("charts").hidden = false;
  window.Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  window.Chart.defaults.datasets.bar.maxBarThickness = 40;
  const labels = days.map((day) => day.day);
  new window.Chart(document.getElementById("chart-events"), {
    type: "bar",
    data: { labels, datasets: SERIES.map(([key, label, colour]) => ({ label, data: days.map((day) => day[key]), backgroundColor: colour })) },
    options: { ...common, scales: scales({ stacked: true, axes: [["y", "Events", "left"]] }) },
  });
  new window.Chart(document.getElementById("chart-volumes"), {
    type: "bar",
    data: {
      labels,
      datasets: [
        { label: "Exchanges", data: days.map((day) => day.exchanges), backgroundColor: "#1f879d", yAxisID: "y" },
        { label: "Accounts", data: days.map((day) => day.accounts), backgroundColor: "#b4531c", yAxisID: "accounts" },
      ],
    },
    options: { ...common, scales: scales({ stacked: false, axes: [["y", "Exchanges", "left"], ["accounts", "Accounts", "right"]] }) },
  });
}
