// What every page of the desk needs.

Object.assign(window.htmx.config, {
  includeIndicatorStyles: false, // they stand in desk.css: inline ones are not let
  allowEval: false,
  selfRequestsOnly: true,
  historyCacheSize: 0, // what an analyst saw is not kept in the browser
});

// The CSRF cookie is out of the reach of scripts; the token stands in the page.
document.addEventListener("htmx:configRequest", (event) => {
  const token = document.querySelector("meta[name='csrf-token']");
  if (token) event.detail.headers["X-CSRFToken"] = token.content;
});

// A fragment that cannot be had says so in its place.
for (const name of ["htmx:responseError", "htmx:sendError"]) {
  document.addEventListener(name, (event) => {
    const place = event.detail.target;
    if (!place || !place.dataset.onError) return;
    const said = document.createElement("p");
    said.className = "sw-error";
    said.setAttribute("role", "alert");
    said.textContent = place.dataset.onError;
    place.replaceChildren(said);
  });
}

// The theme's icons are words in a font of symbols: who hears the page hears only what stands beside them.
document.addEventListener("DOMContentLoaded", () => {
  for (const icon of document.querySelectorAll(".material-symbols-outlined")) {
    const holder = icon.closest("a, button, summary");
    const isAlone = holder && !holder.ariaLabel && !holder.title && holder.textContent.trim() === icon.textContent.trim();
    if (!isAlone) icon.ariaHidden = "true";
  }
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  navigator.clipboard.writeText(source.value ?? source.textContent).then(() => {
    const before = button.textContent;
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = before; }, 2000);
  });
});

// A form that was sent is not sent twice by a second click.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || form.dataset.again !== undefined || event.defaultPrevented) return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "1";
  // Coming back by the browser's history, it may be sent again.
  window.addEventListener("pageshow", () => { delete form.dataset.sent; }, { once: true });
});

// "/" goes to the search field, from wherever nothing is being written.
document.addEventListener("keydown", (event) => {
  const field = document.getElementById("desk-search");
  if (event.key !== "/" || !field || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, [contenteditable], [role='application']")) return;
  event.preventDefault();
  field.focus();
});
