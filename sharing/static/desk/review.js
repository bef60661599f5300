// The review queue and its cases by keyboard; a long decision goes on by itself.

const typing = (target) => target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]");
const keys = document.getElementById("keys");
const decision = document.getElementById("decision");
const reason = document.getElementById("id_reason");
let chosen = null; // the button that Ctrl+Enter presses

const follow = (id) => document.getElementById(id)?.click();

const choose = (value) => {
  if (!decision) return;
  chosen = decision.querySelector(`button[value="${value}"]`);
  if (!chosen) return; // one's own work is not approved
  for (const button of decision.querySelectorAll("button")) button.toggleAttribute("data-chosen", button === chosen);
  reason.placeholder = `Why ${value}? Ctrl+Enter decides, Escape lets go.`;
  reason.focus();
};

const rows = [...document.querySelectorAll("a.sw-case")];
const move = (step) => {
  if (!rows.length) return false;
  const at = rows.indexOf(document.activeElement?.closest("tr")?.querySelector("a.sw-case"));
  rows[Math.min(rows.length - 1, Math.max(0, at + step))].focus();
  return true;
};

const actions = {
  j: () => move(1) || follow("next"),
  k: () => move(-1) || follow("previous"),
  x: () => document.activeElement?.closest("tr")?.querySelector("input[type=checkbox]")?.click(),
  a: () => choose("approve"),
  r: () => choose("reject"),
  e: () => follow("write"),
  q: () => follow("back"),
  "?": () => (keys.open ? keys.close() : keys.showModal()),
};

document.addEventListener("keydown", (event) => {
  if (event.target === reason && event.key === "Enter" && event.ctrlKey && chosen) {
    event.preventDefault();
    decision.requestSubmit(chosen);
    return;
  }
  if (event.target === reason && event.key === "Escape") {
    chosen = null;
    reason.blur();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target) || (keys?.open && event.key !== "?")) return;
  const action = actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

document.querySelector("[data-keys]")?.addEventListener("click", () => keys.showModal());

const all = document.getElementById("choose-all");
all?.addEventListener("change", () => {
  for (const box of document.querySelectorAll("input[name=_selected_action]")) box.checked = all.checked;
});

document.getElementById("go-on")?.requestSubmit();
