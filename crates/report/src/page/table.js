// The table: everything, searched and sorted as data; rows come as they are scrolled to, and all of them before printing.
const STEP = 200;
const table = {
  body: $("rows"), rows: [], drawn: 0, query: "", sort: ["b", -1], opened: new Set(),
  start() {
    if (!this.body) return;
    for (const one of data.components) one.text = [one.n, one.v, one.l, one.s, one.u, ...one.e.map((number) => data.exercises[number])].join("\n").toLowerCase();
    this.options("licence", new Set(data.components.map((one) => licence(one))));
    this.options("signature", new Set(data.components.map(signature)));
    this.options("exercise", new Set(data.exercises));
    if (data.changes) this.options("change", new Set(data.components.map((one) => one.c ?? "as it was")));
    let soon = 0;
    $("search").addEventListener("input", () => { clearTimeout(soon); soon = setTimeout(() => this.filter(), 60); });
    for (const select of document.querySelectorAll(".filters select")) select.addEventListener("change", () => this.filter());
    $("reset").addEventListener("click", () => this.reset());
    for (const button of document.querySelectorAll(".packages th button")) button.addEventListener("click", () => this.order(button));
    document.addEventListener("keydown", (event) => {
      const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement?.tagName ?? "");
      if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) { event.preventDefault(); $("search").focus(); }
    });
    $("search").addEventListener("keydown", (event) => { if (event.key === "Escape" && $("search").value) { event.preventDefault(); $("search").value = ""; this.filter(); } });
    for (const button of document.querySelectorAll("[data-licence]")) button.addEventListener("click", () => { this.reset(); $("licence").value = button.dataset.licence; this.filter(); $("packages").scrollIntoView(); $("search").focus({ preventScroll: true }); });
    new IntersectionObserver((entries) => { if (entries.some((entry) => entry.isIntersecting)) this.more(); }, { rootMargin: "800px" }).observe($("end"));
    addEventListener("beforeprint", () => { while (this.drawn < this.rows.length) this.more(); });
    this.filter();
  },
  options(id, words) {
    const select = $(id);
    if (!select) return;
    if (words.size < 2 && id !== "exercise") { select.closest("label").hidden = true; return; }
    select.append(...[...words].sort().map((word) => make("option", { value: word }, word)));
  },
  chosen: (id) => $(id)?.value ?? "",
  matches(one) { return this.query.split(/\s+/).every((word) => one.text.includes(word)); },
  filter() {
    this.query = $("search").value.trim().toLowerCase();
    const [terms, signed, exercise, change] = ["licence", "signature", "exercise", "change"].map(this.chosen);
    this.rows = data.components.filter((one) => this.matches(one)
      && (!terms || licence(one) === terms)
      && (!signed || signature(one) === signed)
      && (!exercise || one.e.some((number) => data.exercises[number] === exercise))
      && (!change || (one.c ?? "as it was") === change));
    const [key, way] = this.sort;
    const of = { n: (one) => `${one.n}\u0000${one.v ?? ""}`, l: (one) => one.l ?? "~", s: (one) => one.s ?? "~", e: (one) => one.e.map((number) => data.exercises[number]).join(), b: (one) => one.b }[key];
    const compare = key === "b" ? (a, b) => of(a) - of(b) : (a, b) => (of(a) < of(b) ? -1 : of(a) > of(b) ? 1 : 0);
    this.rows.sort((a, b) => way * compare(a, b) || a.at - b.at);
    this.drawn = 0;
    this.body.replaceChildren();
    this.more();
    const bytes = this.rows.reduce((sum, one) => sum + one.b, 0);
    $("count").textContent = this.rows.length === data.components.length ? `${this.rows.length} components, ${size(bytes)}` : `${this.rows.length} of ${data.components.length} components, ${size(bytes)}`;
    $("reset").hidden = !(this.query || terms || signed || exercise || change);
    $("table").setAttribute("aria-rowcount", this.rows.length + 1);
    if (map.tiles.length) map.draw();
  },
  reset() { $("search").value = ""; for (const select of document.querySelectorAll(".filters select")) select.value = ""; this.filter(); },
  more() {
    const next = this.rows.slice(this.drawn, this.drawn + STEP);
    const fragment = document.createDocumentFragment();
    next.forEach((one, number) => this.row(one, this.drawn + number + 2).forEach((row) => fragment.append(row)));
    this.body.append(fragment);
    this.drawn += next.length;
  },
  order(button) {
    const key = button.dataset.key;
    this.sort = [key, this.sort[0] === key ? -this.sort[1] : key === "b" ? -1 : 1];
    for (const head of document.querySelectorAll(".packages th")) head.removeAttribute("aria-sort");
    button.closest("th").setAttribute("aria-sort", this.sort[1] > 0 ? "ascending" : "descending");
    this.filter();
  },
  marked(text) {
    const word = this.query.split(/\s+/)[0], at = word ? text.toLowerCase().indexOf(word) : -1;
    return at < 0 ? [text] : [text.slice(0, at), make("mark", {}, text.slice(at, at + word.length)), text.slice(at + word.length)];
  },
  tag(state) {
    if (!state) return make("span", { className: "quiet", title: "nothing is known of a signature" }, "–");
    const colour = state.startsWith("verified") ? "good" : state === "unsigned" ? "warn" : "";
    return make("span", { className: `tag ${colour}`, title: state }, state.split(" ")[0] === "verified" ? "verified" : state);
  },
  row(one, number) {
    const open = this.opened.has(one.at);
    const button = make("button", { type: "button", className: "open" }, ...this.marked(one.n));
    button.setAttribute("aria-expanded", String(open));
    const words = one.e.map((at) => data.exercises[at]);
    const row = make("tr", {},
      make("td", {}, button, one.v ? make("span", { className: "version" }, one.v) : null, one.c ? make("span", { className: `version ${one.c === "new" ? "good" : "warn"}` }, one.c) : null),
      make("td", {}, make("span", { className: one.q ? "warn" : one.l ? "" : "quiet" }, ...this.marked(licence(one)))),
      make("td", {}, this.tag(one.s)),
      make("td", {}, words.length > 2 ? `${words.slice(0, 2).join(", ")} and ${words.length - 2} more` : words.join(", ") || data.groups[one.p[0]?.[2]] || ""),
      make("td", { className: "num" }, size(one.b)));
    row.setAttribute("aria-rowindex", number);
    button.addEventListener("click", () => this.toggle(one, row, button));
    one.row = row;
    return open ? [row, this.details(one)] : [row];
  },
  toggle(one, row, button) {
    const open = !this.opened.has(one.at);
    open ? this.opened.add(one.at) : this.opened.delete(one.at);
    button.setAttribute("aria-expanded", String(open));
    open ? row.after(this.details(one)) : row.nextElementSibling.remove();
  },
  details(one) {
    const list = make("dl");
    const say = (word, ...children) => { if (children.some(Boolean)) list.append(make("dt", {}, word), make("dd", {}, ...children)); };
    const links = (numbers) => numbers.map((number) => {
      const button = make("button", { type: "button" }, label(data.components[number]));
      button.addEventListener("click", () => this.show(data.components[number]));
      return button;
    });
    say("Package URL", one.u && make("code", {}, one.u));
    say("Archive", one.h && make("code", {}, one.h));
    say("Signature", one.s);
    say("Built by", one.a);
    say("Brought by", one.e.map((number) => data.exercises[number]).join(", "));
    say("Lies at", ...one.p.flatMap(([path, bytes], number) => [number ? make("br") : null, make("code", {}, path || "."), ` ${size(bytes)}`]));
    say("Needs", ...links(one.d));
    say("Needed by", ...links(one.by));
    return make("tr", { className: "more" }, make("td", { colSpan: 5 }, list));
  },
  show(one) {
    this.reset();
    this.opened.add(one.at);
    this.filter();
    while (!one.row?.isConnected && this.drawn < this.rows.length) this.more();
    one.row.scrollIntoView({ block: "center" });
    one.row.querySelector("button").focus({ preventScroll: true });
  },
};
theme.start();
table.start();
map.start();
places.start();
