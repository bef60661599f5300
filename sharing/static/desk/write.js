// What the form of a draft does beside being a form: picks ids by search, says what is not saved, leads to an error.

const form = document.getElementById("draft-form");

// ---------------------------------------------------------------------------------------------------- saved or not

let typed = 0; // changes so far
let sent = 0; // of them, those that the request under way has
let kept = 0; // of them, those that are saved

function showUnsaved() {
  const line = document.querySelector("#saved .sw-unsaved");
  if (line) line.hidden = typed === kept;
}

function noteChange() {
  typed += 1;
  showUnsaved();
}

form.addEventListener("input", noteChange);
form.addEventListener("change", noteChange);
document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.target.id === "saved") sent = typed;
});
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.target.id !== "saved") return;
  if (document.querySelector("#saved[data-problem]") === null) kept = sent;
  showUnsaved();
});
let isLeaving = false;
form.addEventListener("submit", () => { isLeaving = true; });
window.addEventListener("beforeunload", (event) => {
  if (typed !== kept && !isLeaving) event.preventDefault();
});

// ---------------------------------------------------------------------------------------------------- the pattern

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-goto-line]");
  if (!button) return;
  const text = document.getElementById("id_pattern");
  const lines = text.value.split("\n");
  const before = lines.slice(0, Number(button.dataset.gotoLine) - 1).reduce((sum, line) => sum + line.length + 1, 0);
  const at = before + Number(button.dataset.gotoColumn) - 1;
  text.focus();
  text.setSelectionRange(at, Math.min(at + 1, text.value.length));
});

// ---------------------------------------------------------------------------------------------------- picking ids

const COMMON = "related-to";
const OF_ONE_TYPE = ["derived-from", "duplicate-of"];

class Picker {
  constructor(input) {
    this.input = input;
    this.isList = input.tagName === "TEXTAREA";
    this.at = -1;
    this.picks = [];
    this.list = document.createElement("ul");
    this.list.className = "sw-picks";
    this.list.id = `${input.id}_picks`;
    this.list.setAttribute("role", "listbox");
    this.list.setAttribute("aria-label", "What was found");
    this.said = document.createElement("div");
    this.said.className = "helptext";
    this.said.setAttribute("role", "status");
    // A list of ids is searched for in a field of its own: a combobox has one line.
    this.search = input;
    if (this.isList) {
      this.search = document.createElement("input");
      this.search.type = "text";
      this.search.setAttribute("aria-label", `Search, to add to: ${document.querySelector(`label[for="${input.id}"]`)?.textContent.trim()}`);
      this.search.placeholder = "Search to add";
      input.after(this.search);
    }
    for (const [name, value] of Object.entries({
      role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": this.list.id, autocomplete: "off",
    })) this.search.setAttribute(name, value);
    this.search.after(this.list, this.said);
    this.search.addEventListener("input", (event) => {
      if (this.isList) event.stopPropagation();
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.ask(), 250);
    });
    this.search.addEventListener("keydown", (event) => this.key(event));
    this.search.addEventListener("blur", () => setTimeout(() => this.close(), 200));
  }

  async ask() {
    const term = this.search.value.trim();
    if (term.length < 2 || /^[a-z-]+--[0-9a-f-]{36}$/.test(term)) {
      this.close();
      return;
    }
    const query = new URLSearchParams({ q: term, types: this.input.dataset.pick, community: form.elements.community.value });
    try {
      const answer = await fetch(`${form.dataset.pickUrl}?${query}`);
      if (!answer.ok || term !== this.search.value.trim()) return;
      this.show((await answer.json()).picks);
    } catch {
      this.said.textContent = "The search cannot be asked just now; an id can be typed.";
    }
  }

  show(picks) {
    this.picks = picks;
    this.at = -1;
    this.list.replaceChildren(...picks.map((pick, number) => {
      const option = document.createElement("li");
      option.id = `${this.list.id}_${number}`;
      option.setAttribute("role", "option");
      option.setAttribute("aria-selected", "false");
      const small = document.createElement("small");
      small.textContent = ` ${pick.type}, ${pick.source}`;
      option.append(pick.title, small);
      option.addEventListener("mousedown", (event) => {
        event.preventDefault();
        this.take(number);
      });
      return option;
    }));
    this.search.setAttribute("aria-expanded", String(picks.length > 0));
    this.said.textContent = picks.length ? `${picks.length} found: arrow keys, then Enter.` : "Nothing is known by that.";
  }

  key(event) {
    if (event.key === "Escape") this.close();
    if (!this.picks.length || !["ArrowDown", "ArrowUp", "Enter"].includes(event.key)) return;
    if (event.key === "Enter") {
      if (this.at < 0) return;
      event.preventDefault();
      this.take(this.at);
      return;
    }
    event.preventDefault();
    const step = event.key === "ArrowDown" ? 1 : -1;
    this.at = (this.at + step + this.picks.length + (this.at < 0 && step < 0 ? 1 : 0)) % this.picks.length;
    [...this.list.children].forEach((option, number) => option.setAttribute("aria-selected", String(number === this.at)));
    this.search.setAttribute("aria-activedescendant", `${this.list.id}_${this.at}`);
    this.list.children[this.at].scrollIntoView({ block: "nearest" });
  }

  take(number) {
    const pick = this.picks[number];
    if (this.isList) {
      const ids = new Set(this.input.value.split("\n").map((line) => line.trim()).filter(Boolean));
      this.input.value = [...ids.add(pick.id)].join("\n");
      this.search.value = "";
    } else {
      this.input.value = pick.id;
    }
    this.close();
    this.said.textContent = `Picked: ${pick.title}`;
    this.input.dispatchEvent(new Event("change", { bubbles: true }));
  }

  close() {
    this.picks = [];
    this.list.replaceChildren();
    this.search.setAttribute("aria-expanded", "false");
    this.search.removeAttribute("aria-activedescendant");
  }
}

for (const input of form.querySelectorAll("[data-pick]")) new Picker(input);

// ---------------------------------------------------------------------------------------------------- relationships

const known = document.getElementById("relationships");
if (known) {
  const allowed = JSON.parse(known.textContent);
  const { source_ref: source, target_ref: target, relationship_type: type } = form.elements;
  const typeOf = (input) => input.value.trim().split("--")[0];
  const offer = () => {
    const [from, to] = [typeOf(source), typeOf(target)];
    for (const option of type.options) {
      const fits = !source.value.includes("--") || !target.value.includes("--") || option.value === "" || option.value === COMMON
        || (from === to && OF_ONE_TYPE.includes(option.value)) || (allowed[from]?.[option.value] ?? []).includes(to);
      option.hidden = option.disabled = !fits && !option.selected;
    }
  };
  for (const input of [source, target, type]) input.addEventListener("change", offer);
  offer();
}

// ---------------------------------------------------------------------------------------------------- sources

for (const table of form.querySelectorAll("[data-rows]")) {
  const add = document.createElement("button");
  add.type = "button";
  add.className = "sw-button";
  add.textContent = "Add a source";
  add.addEventListener("click", () => {
    const body = table.tBodies[0];
    const number = body.rows.length;
    const row = body.rows[number - 1].cloneNode(true);
    for (const input of row.querySelectorAll("input")) {
      input.name = input.name.replace(/-\d+-/, `-${number}-`);
      input.setAttribute("aria-label", input.getAttribute("aria-label").replace(/\d+$/, String(number + 1)));
      input.value = "";
    }
    body.append(row);
    row.querySelector("input").focus();
  });
  table.parentElement.after(add);
}
