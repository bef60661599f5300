// The pattern builder: rows of choices that write a STIX pattern into the text beside them. What it can show is read
// back by the server (indicators/drafting/builder.py), whose model this is: observations of tests and groups of tests.

const quoted = (text) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;

function literal(property, text) {
  return property.kind === "number" ? text.trim() : quoted(text.trim());
}

function testText(test, known) {
  const property = known.get(test.path);
  const values = test.values.filter((value) => value.trim() !== "");
  if (!property || values.length === 0) return "";
  const literals = values.map((value) => literal(property, value));
  const right = test.operator.endsWith("IN") ? `(${literals.join(", ")})` : literals[0];
  return `${test.path} ${test.operator} ${right}`;
}

function joined(parts, join) {
  return parts.filter((part) => part !== "").join(` ${join} `);
}

function qualified(text, { repeats, within }) {
  if (text === "") return "";
  return text + (repeats ? ` REPEATS ${repeats} TIMES` : "") + (within ? ` WITHIN ${within} SECONDS` : "");
}

function groupText(group, known) {
  const parts = group.tests.map((test) => testText(test, known)).filter((part) => part !== "");
  return parts.length > 1 ? `(${joined(parts, group.join)})` : (parts[0] ?? "");
}

function observationText(observation, known) {
  const tests = observation.tests.map((one) => (one.tests ? groupText(one, known) : testText(one, known)));
  const inner = joined(tests, observation.join);
  return inner === "" ? "" : qualified(`[${inner}]`, observation);
}

// The pattern that a model says; what is not filled in yet is left out.
export function patternOf(model, properties) {
  const known = new Map(properties.map((property) => [property.path, property]));
  const parts = model.observations.map((one) => observationText(one, known)).filter((part) => part !== "");
  const whole = joined(parts, model.join);
  if (!model.repeats && !model.within) return whole;
  return parts.length > 1 ? qualified(`(${whole})`, model) : qualified(whole, model);
}

// ---------------------------------------------------------------------------------------------------- the rows

function el(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") for (const [event, act] of Object.entries(value)) made.addEventListener(event, act);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

class Builder {
  constructor(place, text, vocabulary) {
    this.place = place;
    this.text = text;
    this.properties = vocabulary.properties;
    this.known = new Map(this.properties.map((property) => [property.path, property]));
    this.model = this.blank();
    this.isOpen = false;
    this.status = el("p", { role: "status", class: "sw-quiet" });
    this.rows = el("div", {});
    this.buttons = {
      build: el("button", { type: "button", class: "sw-button", "aria-pressed": "false", on: { click: () => this.open() } }, "Build"),
      write: el("button", { type: "button", class: "sw-button", "aria-pressed": "true", on: { click: () => this.close() } }, "Write as text"),
    };
    const bar = el("div", { class: "sw-actions", role: "group", "aria-label": "How the pattern is written" }, this.buttons.build, this.buttons.write);
    place.append(bar, this.status, this.rows);
    place.hidden = false;
    if (vocabulary.is_empty) this.open();
    else this.show(false);
  }

  blankTest() {
    const property = this.properties[0];
    return { path: property.path, operator: property.operators[0][0], values: [""] };
  }

  blankObservation() {
    return { join: "AND", tests: [this.blankTest()], repeats: null, within: null };
  }

  blank() {
    return { join: "AND", observations: [this.blankObservation()], repeats: null, within: null };
  }

  // From text to rows: the server reads the pattern, and says why where rows cannot say it.
  async open() {
    if (this.text.value.trim() === "") {
      this.model = this.blank();
      this.show(true);
      return;
    }
    const body = new FormData();
    body.append("pattern", this.text.value);
    const token = document.querySelector("meta[name='csrf-token']");
    try {
      const answer = await fetch(this.place.dataset.rowsUrl, {
        method: "POST", body, headers: { "X-CSRFToken": token ? token.content : "" },
      });
      if (!answer.ok) throw new Error(String(answer.status));
      const read = await answer.json();
      if (read.reason) {
        this.show(false, read.reason);
        return;
      }
      this.model = read.model;
      this.show(true);
    } catch {
      this.show(false, "The builder cannot be opened just now; the text can be edited all the same.");
    }
  }

  close() {
    this.show(false);
    this.text.focus();
  }

  show(isOpen, said = "") {
    this.isOpen = isOpen;
    this.text.readOnly = isOpen;
    this.buttons.build.setAttribute("aria-pressed", String(isOpen));
    this.buttons.write.setAttribute("aria-pressed", String(!isOpen));
    this.status.textContent = said;
    this.draw();
  }

  // A change of a value: the text follows, the rows stay.
  tell() {
    const pattern = patternOf(this.model, this.properties);
    if (pattern === this.text.value) return;
    this.text.value = pattern;
    this.text.dispatchEvent(new Event("input", { bubbles: true }));
  }

  // A change of the rows: they are drawn anew, and the one that was meant has the focus.
  change(focus = null) {
    this.tell();
    this.draw();
    if (focus) this.rows.querySelector(`[data-place="${focus}"]`)?.focus();
  }

  draw() {
    this.rows.replaceChildren();
    if (!this.isOpen) return;
    const { model } = this;
    model.observations.forEach((one, number) => this.rows.append(this.observation(one, number)));
    const several = model.observations.length > 1;
    const add = el("button", {
      type: "button", class: "sw-button", "data-place": "add", on: { click: () => {
        model.observations.push(this.blankObservation());
        this.change(`${model.observations.length - 1}.0`);
      } },
    }, "Add an observation");
    this.rows.append(
      el("div", { class: "sw-actions" }, add,
        several ? this.chooser("Observations are", "whole.join", model.join, [
          ["AND", "all seen, in any order"], ["OR", "seen: any of them"], ["FOLLOWEDBY", "seen one after the other"],
        ], (value) => { model.join = value; this.tell(); }) : null),
      several ? this.qualifiers(model, "All of it", "whole") : "",
    );
  }

  observation(one, number) {
    const { model } = this;
    const tests = one.tests.map((test, index) => (test.tests
      ? this.group(one, test, `${number}.${index}`)
      : this.test(one, test, `${number}.${index}`)));
    return el("fieldset", {},
      el("legend", {}, model.observations.length > 1 ? `Observation ${number + 1}` : "Observation"),
      one.tests.length > 1 ? this.joiner(one, `${number}.join`) : null,
      ...tests,
      el("div", { class: "sw-actions" },
        el("button", { type: "button", class: "sw-button", on: { click: () => {
          one.tests.push(this.blankTest());
          this.change(`${number}.${one.tests.length - 1}`);
        } } }, "Add a test"),
        el("button", { type: "button", class: "sw-button", on: { click: () => {
          one.tests.push({ join: "OR", tests: [this.blankTest(), this.blankTest()] });
          this.change(`${number}.${one.tests.length - 1}.0`);
        } } }, "Add a group"),
        model.observations.length > 1 ? el("button", { type: "button", class: "sw-button", on: { click: () => {
          model.observations.splice(number, 1);
          this.change("add");
        } } }, `Remove observation ${number + 1}`) : null),
      this.qualifiers(one, "It", String(number)));
  }

  group(holder, group, place) {
    return el("fieldset", {},
      el("legend", {}, "Group"),
      this.joiner(group, `${place}.join`),
      ...group.tests.map((test, index) => this.test(group, test, `${place}.${index}`)),
      el("div", { class: "sw-actions" },
        el("button", { type: "button", class: "sw-button", on: { click: () => {
          group.tests.push(this.blankTest());
          this.change(`${place}.${group.tests.length - 1}`);
        } } }, "Add a test to the group"),
        el("button", { type: "button", class: "sw-button", on: { click: () => {
          holder.tests.splice(holder.tests.indexOf(group), 1, ...(holder.tests.length > 1 ? [] : [this.blankTest()]));
          this.change("add");
        } } }, "Remove the group")));
  }

  // A choice by keyboard is a change at each key: what was chosen from stays, and only what follows from it is drawn anew.
  test(holder, test, place) {
    const groups = new Map();
    for (const one of this.properties) {
      if (!groups.has(one.group)) groups.set(one.group, el("optgroup", { label: one.group }));
      groups.get(one.group).append(el("option", { value: one.path, selected: one.path === test.path }, one.label));
    }
    const row = el("div", { class: "sw-test" });
    const subject = el("select", { "aria-label": "What is tested", "data-place": place, on: { change: (event) => {
      const before = this.known.get(test.path);
      const next = this.known.get(event.target.value);
      test.path = next.path;
      if (!next.operators.some(([operator]) => operator === test.operator)) [[test.operator]] = next.operators;
      if (next.kind !== before.kind || next.choices.length || before.choices.length) test.values = [""];
      this.tell();
      fill();
    } } }, ...groups.values());
    const fill = () => {
      const property = this.known.get(test.path);
      let value = this.value(test, property, place);
      const operator = el("select", { "aria-label": "How", "data-place": `${place}.how`, on: { change: (event) => {
        test.operator = event.target.value;
        if (!test.operator.endsWith("IN")) test.values = test.values.slice(0, 1);
        this.tell();
        const drawn = this.value(test, property, place);
        value.replaceWith(drawn);
        value = drawn;
      } } }, ...property.operators.map(([one, label]) => el("option", { value: one, selected: one === test.operator }, label)));
      const remove = el("button", { type: "button", class: "sw-button", "aria-label": `Remove this test of ${property.label}`, on: { click: () => {
        holder.tests.splice(holder.tests.indexOf(test), 1);
        this.change("add");
      } } }, "Remove");
      while (subject.nextSibling) subject.nextSibling.remove();
      row.append(operator, value);
      if (holder.tests.length > 1) row.append(remove);
      if (property.help) row.append(el("span", { class: "helptext", id: `help-${place}` }, property.help));
    };
    row.append(subject);
    fill();
    return row;
  }

  value(test, property, place) {
    const several = test.operator.endsWith("IN");
    const shared = {
      class: "sw-value", "data-place": `${place}.value`, "aria-label": `Value of ${property.label}${several ? ", one a line" : ""}`,
      "aria-describedby": property.help ? `help-${place}` : null,
    };
    if (property.choices.length) {
      const input = el("select", { ...shared, multiple: several, on: { change: () => {
        test.values = [...input.selectedOptions].map((option) => option.value);
        this.tell();
      } } }, several ? "" : el("option", { value: "" }, "–"),
      ...property.choices.map(([value, label]) => el("option", { value, selected: test.values.includes(value) }, label)));
      return input;
    }
    const told = (event) => {
      test.values = several ? event.target.value.split("\n") : [event.target.value];
      this.tell();
      event.stopPropagation();
    };
    if (several) {
      const area = el("textarea", { ...shared, rows: "3", spellcheck: "false", on: { input: told } });
      area.value = test.values.join("\n");
      return area;
    }
    const input = el("input", {
      ...shared, type: "text", spellcheck: "false", autocomplete: "off", placeholder: property.example,
      inputmode: property.kind === "number" ? "decimal" : null, on: { input: told },
    });
    input.value = test.values[0] ?? "";
    return input;
  }

  joiner(holder, place) {
    return this.chooser("Passes", place, holder.join, [["AND", "all of these tests"], ["OR", "any of these tests"]],
      (value) => { holder.join = value; this.tell(); });
  }

  chooser(label, place, value, choices, act) {
    const input = el("select", { "data-place": place, on: { change: (event) => act(event.target.value) } },
      ...choices.map(([one, said]) => el("option", { value: one, selected: one === value }, said)));
    return el("label", { class: "sw-inline" }, label, input);
  }

  qualifiers(holder, subject, place) {
    const number = (name, label, unit) => {
      const input = el("input", {
        type: "text", inputmode: "numeric", class: "sw-short", "aria-label": `${subject}: ${label} (${unit})`, "data-place": `${place}.${name}`,
        on: { input: (event) => {
          holder[name] = event.target.value.trim() || null;
          this.tell();
          event.stopPropagation();
        } },
      });
      input.value = holder[name] ?? "";
      return el("label", { class: "sw-inline" }, label, input, unit);
    };
    return el("div", { class: "sw-test" }, number("repeats", `${subject} is seen`, "times"), number("within", "within", "seconds"));
  }
}

const place = globalThis.document?.getElementById("builder");
if (place) {
  new Builder(place, document.getElementById("id_pattern"), JSON.parse(document.getElementById("builder-vocabulary").textContent));
}
