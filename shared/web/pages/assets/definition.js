// The editor of definitions and its form. Without it, both work by their buttons; it adds what saves a way to the server.

const PAUSE_MS = 500;

function element(name, of, text) {
  const made = document.createElement(name);
  made.className = of;
  made.textContent = text;
  return made;
}

function counted(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

// ---- lines

function lineOf(found) {
  const match = / \(line (\d+)\)$/.exec(found) ?? /\bline (\d+)\b/.exec(found);
  return match ? Number(match[1]) : null;
}

function changedLines(before, after) {
  const left = new Map();
  for (const line of before.split("\n")) left.set(line, (left.get(line) ?? 0) + 1);
  let added = 0;
  for (const line of after.split("\n")) {
    const count = left.get(line) ?? 0;
    if (count) left.set(line, count - 1);
    else added += 1;
  }
  const removed = [...left.values()].reduce((sum, count) => sum + count, 0);
  return Math.max(added, removed);
}

class Editor {
  constructor(form) {
    this.form = form;
    this.text = form.querySelector("textarea");
    this.lines = form.querySelector("[data-lines]");
    this.list = form.querySelector("[data-problems]");
    this.status = form.querySelector("[data-status]");
    this.guarded = form.querySelector("[data-guarded]");
    this.count = form.querySelector("[data-count]");
    this.now = form.dataset.changed === undefined ? this.text.defaultValue : null;
    this.marked = new Set();
    this.asked = null;
    this.timer = null;
    this.leaving = false;
    this.free = false;
    form.classList.add("editor--live");
  }

  start() {
    this.list?.querySelectorAll("[data-line]").forEach((link) => this.marked.add(Number(link.dataset.line)));
    this.number();
    this.text.addEventListener("scroll", () => this.scrolled());
    this.list?.addEventListener("click", (event) => this.clicked(event));
    if (this.form.dataset.reading !== undefined) return;
    this.form.querySelector("[data-keys]").hidden = false;
    this.text.addEventListener("keydown", (event) => this.pressed(event));
    this.text.addEventListener("blur", () => (this.free = false));
    this.text.addEventListener("input", () => this.typed());
    this.form.addEventListener("submit", () => (this.leaving = true));
    addEventListener("pageshow", () => this.back());
    addEventListener("beforeunload", (event) => this.left(event));
    this.compare();
  }

  // ---- the numbers beside the lines

  number() {
    const last = this.text.value.split("\n").length;
    const parts = [];
    let plain = "";
    for (let line = 1; line <= last; line += 1) {
      if (!this.marked.has(line)) {
        plain += `${line}\n`;
        continue;
      }
      parts.push(plain, element("mark", "editor__mark", `${line}`), "\n");
      plain = "";
    }
    this.lines.replaceChildren(...parts, plain);
    this.scrolled();
  }

  scrolled() {
    this.lines.scrollTop = this.text.scrollTop;
  }

  clicked(event) {
    const link = event.target.closest("[data-line]");
    if (!link) return;
    event.preventDefault();
    this.show(Number(link.dataset.line));
  }

  show(line) {
    const all = this.text.value.split("\n");
    const start = all.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
    this.text.focus();
    this.text.setSelectionRange(start, start + (all[line - 1] ?? "").length);
    const height = Number.parseFloat(getComputedStyle(this.text).lineHeight);
    this.text.scrollTop = Math.max(0, (line - 4) * height);
    this.text.scrollIntoView({ block: "nearest" });
  }

  // ---- keys: Escape sets Tab free for the next press

  pressed(event) {
    if (event.key === "Escape") {
      this.free = true;
      return;
    }
    const tab = event.key === "Tab" && !event.ctrlKey && !event.altKey && !event.metaKey;
    if (tab && !this.free) {
      event.preventDefault();
      this.indent(event.shiftKey);
    }
    if (event.key !== "Shift") this.free = false;
  }

  indent(back) {
    const { value, selectionStart: from, selectionEnd: to } = this.text;
    const start = value.lastIndexOf("\n", from - 1) + 1;
    if (!back && from === to) {
      this.put(" ".repeat(2 - ((from - start) % 2)), from, to);
      return;
    }
    const last = to > from && value[to - 1] === "\n" ? to - 1 : to;
    const end = value.indexOf("\n", last) < 0 ? value.length : value.indexOf("\n", last);
    const old = value.slice(start, end);
    const made = old.split("\n").map((line) => (back ? line.replace(/^ {1,2}/, "") : line && `  ${line}`)).join("\n");
    if (made === old) return;
    this.put(made, start, end);
    if (from === to) {
      const place = Math.max(start, from - (old.length - made.length));
      this.text.setSelectionRange(place, place);
    } else {
      this.text.setSelectionRange(start, start + made.length);
    }
  }

  // execCommand is the only way that keeps the browser's own undo.
  put(made, from, to) {
    this.text.setSelectionRange(from, to);
    const done = document.execCommand(made ? "insertText" : "delete", false, made);
    if (!done) {
      this.text.setRangeText(made, from, to, "end");
      this.text.dispatchEvent(new Event("input"));
    }
  }

  // ---- what changed

  // Who comes back to the page finds what they typed, which browsers put there again.
  back() {
    this.leaving = false;
    this.number();
    this.tell();
  }

  get changed() {
    if (this.now !== null) return this.text.value !== this.now;
    return true;
  }

  left(event) {
    if (this.changed && !this.leaving) event.preventDefault();
  }

  // What is there now, where the page came with another text; else it is what the page came with.
  async compare() {
    if (this.now !== null || !this.form.dataset.now) return;
    try {
      const answer = await fetch(this.form.dataset.now, { headers: { accept: "application/json" } });
      if (answer.ok) this.now = (await answer.json()).text.replaceAll("\r\n", "\n");
    } catch {
      return;
    }
    this.tell();
  }

  tell() {
    if (this.now === null) return;
    const lines = this.text.value === this.now ? 0 : changedLines(this.now, this.text.value);
    this.count.textContent = lines ? `${counted(lines, "line")} changed, not saved` : this.changed ? "not saved" : "";
  }

  // ---- checking while one types

  typed() {
    this.number();
    this.tell();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.check(), PAUSE_MS);
  }

  async check() {
    this.asked?.abort();
    const mine = (this.asked = new AbortController());
    this.status.textContent = "Checking…";
    try {
      const answer = await fetch(this.form.dataset.check, {
        method: "POST",
        headers: { "content-type": "application/json", accept: "application/json" },
        body: JSON.stringify({ text: this.text.value }),
        signal: mine.signal,
      });
      const told = await answer.json();
      if (mine === this.asked) this.found(answer.ok, told);
    } catch (error) {
      if (error.name !== "AbortError" && mine === this.asked) {
        this.status.textContent = "It could not be checked just now; “Check” tries again.";
      }
    }
  }

  found(sound, told) {
    const problems = told.problems ?? [];
    const errors = problems.filter((one) => one.severity !== "warning").length;
    this.list.replaceChildren(...problems.map((one) => this.item(one)));
    this.marked = new Set(problems.map((one) => lineOf(one.found)));
    this.number();
    this.guard(sound && !told.creates ? told.guarded ?? [] : []);
    if (!sound) this.status.textContent = told.detail ?? "It could not be checked.";
    else if (errors) this.status.textContent = `${counted(errors, "error")} to mend before it can be saved.`;
    else if (problems.length) this.status.textContent = `${counted(problems.length, "warning")}; it can be saved.`;
    else this.status.textContent = told.same ? "No problem found. It means the same as now." : "No problem found.";
  }

  guard(paths) {
    this.guarded.hidden = !paths.length;
    this.guarded.querySelector("[data-guarded-paths]").textContent = paths.join(", ");
  }

  item(one) {
    const made = element("li", one.severity === "warning" ? "problem problem--warn" : "problem", "");
    const line = lineOf(one.found);
    if (line) {
      const link = element("a", "problem__line", `Line ${line}`);
      link.href = "#text";
      link.dataset.line = line;
      made.append(link, " ");
    }
    if (one.path) made.append(element("code", "problem__path", one.path), " ");
    made.append(element("span", "problem__found", one.found.replace(/ \(line \d+\)$/, "")));
    if (one.remedy) {
      const remedy = one.remedy[0].toUpperCase() + one.remedy.slice(1);
      made.append(element("span", "problem__remedy", remedy));
    }
    return made;
  }
}

// ---- the form: more rows, moving rows, and the table's columns to choose from

class Guide {
  constructor(form) {
    this.form = form;
    this.body = form.querySelector("[data-rows] tbody");
    this.made = 3;
    this.touched = false;
    this.leaving = false;
  }

  start() {
    this.form.addEventListener("input", () => (this.touched = true));
    this.form.addEventListener("submit", () => (this.leaving = true));
    addEventListener("pageshow", () => (this.leaving = false));
    addEventListener("beforeunload", (event) => {
      if (this.touched && !this.leaving) event.preventDefault();
    });
    this.body.addEventListener("input", () => this.grow());
    this.offer = this.form.querySelector("[data-offer]");
    if (!this.offer) return;
    this.offer.hidden = false;
    this.offer.querySelector("button").addEventListener("click", () => this.columns());
  }

  // As soon as the last new row is used, there is one more.
  grow() {
    const rows = this.body.querySelectorAll("[data-new]");
    const last = rows[rows.length - 1];
    if (![...last.querySelectorAll("input[type=text]")].some((field) => field.value)) return;
    this.made += 1;
    const row = last.cloneNode(true);
    for (const field of row.querySelectorAll("input")) {
      field.name = field.name.replace(/n\d+$/, `n${this.made}`);
      field.setAttribute("aria-label", field.getAttribute("aria-label").replace(/\d+/, this.made));
      if (field.type === "text") field.value = "";
      field.checked = false;
    }
    last.after(row);
  }

  async columns() {
    const status = this.offer.querySelector("[role=status]");
    status.textContent = "Asking Dataverse…";
    try {
      const answer = await fetch(this.form.dataset.columns, { headers: { accept: "application/json" } });
      const told = await answer.json();
      if (!answer.ok) throw new Error(told.detail);
      const names = Object.keys(told.columns).sort();
      document.getElementById("targets").replaceChildren(
        ...names.map((name) => Object.assign(document.createElement("option"), { value: name })),
      );
      status.textContent = `${counted(names.length, "column")} to choose from while you type.`;
    } catch (error) {
      status.textContent = `They cannot be told just now: ${error.message}`;
    }
  }
}

for (const form of document.querySelectorAll("form[data-editor]")) new Editor(form).start();
for (const form of document.querySelectorAll("form[data-guide]")) new Guide(form).start();
