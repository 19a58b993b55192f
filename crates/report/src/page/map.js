// The map: what lies inside, by size. Squarified: rows along the shorter side, each filled while its tiles become more like squares.
const squarify = (items, x, y, width, height, place) => {
  let rest = items.filter((item) => item.bytes > 0).sort((a, b) => b.bytes - a.bytes);
  let left = rest.reduce((sum, item) => sum + item.bytes, 0);
  while (rest.length && width > 0.5 && height > 0.5) {
    const along = Math.min(width, height), scale = (width * height) / left;
    let row = [], sum = 0, worst = Infinity;
    for (const item of rest) {
      const next = sum + item.bytes, thick = (next * scale) / along;
      const last = Math.max(...[row[0] ?? item, item].map((one) => { const long = (one.bytes * scale) / thick; return Math.max(long / thick, thick / long); }));
      if (row.length && last > worst) break;
      row.push(item); sum = next; worst = last;
    }
    const thick = (sum * scale) / along;
    let at = 0;
    for (const item of row) {
      const long = (item.bytes * scale) / thick;
      if (width >= height) place(item, x, y + at, thick, long); else place(item, x + at, y, long, thick);
      at += long;
    }
    if (width >= height) { x += thick; width -= thick; } else { y += thick; height -= thick; }
    left -= sum; rest = rest.slice(row.length);
  }
};

const map = {
  box: $("map"), within: null, by: "kind", whole: false, tiles: [], focused: 0,
  // Groups: what each exercise left, and what stands for itself.
  groups() {
    const groups = new Map();
    for (const one of data.components) {
      for (const [path, bytes, group] of one.p) {
        if (!this.whole && one.k === "opencode") continue;
        const name = data.groups[group];
        if (!groups.has(name)) groups.set(name, { name, colour: group, bytes: 0, items: new Map() });
        const into = groups.get(name);
        into.bytes += bytes;
        const item = into.items.get(one.at) ?? { one, bytes: 0, path, group };
        item.bytes += bytes;
        into.items.set(one.at, item);
      }
    }
    return [...groups.values()].map((group) => ({ ...group, items: [...group.items.values()] }));
  },
  start() {
    if (!this.box) return;
    for (const input of document.querySelectorAll("input[name=colour]")) input.addEventListener("change", () => { this.by = input.value; this.draw(); });
    $("whole").addEventListener("change", () => { this.whole = $("whole").checked; this.within = null; this.draw(); });
    $("out").addEventListener("click", () => this.zoom(null));
    this.box.addEventListener("keydown", (event) => this.key(event));
    this.box.addEventListener("focusin", (event) => { const tile = this.tiles.find((one) => one.element === event.target); if (tile) this.say(tile); });
    this.box.addEventListener("pointerover", (event) => { const tile = this.tiles.find((one) => one.element === event.target.closest("button")); if (tile) this.say(tile); });
    new ResizeObserver(() => this.draw()).observe(this.box);
  },
  // One word for each tile, and the colour that this word has.
  word(one, group) {
    if (this.by === "licence") return licence(one);
    if (this.by === "signature") return one.s ? one.s.split(" ")[0].replace("not", "not asked") : "nothing known";
    if (this.by === "change") return one.c ?? "as it was";
    return data.groups[group];
  },
  palette(groups) {
    const words = new Map();
    for (const group of groups) for (const item of group.items) {
      const word = this.word(item.one, item.group);
      words.set(word, (words.get(word) ?? 0) + item.bytes);
    }
    const fixed = { verified: 3, unsigned: 7, "not asked": 8, "nothing known": 8, new: 3, changed: 2, "as it was": 8, "none declared": 5, "of its own none": 8 };
    const sorted = [...words].sort((a, b) => b[1] - a[1]);
    const colours = new Map();
    let next = 0;
    for (const [word] of sorted) {
      const own = this.by === "kind" ? data.groups.indexOf(word) % 8 : fixed[word];
      colours.set(word, own ?? (next < 7 ? 1 + (next++ % 7) : 8));
    }
    return { colours, sorted };
  },
  draw() {
    const { width, height } = this.box.getBoundingClientRect();
    if (width < 50) return;
    const all = this.groups();
    const groups = this.within ? all.filter((group) => group.name === this.within) : all;
    const { colours, sorted } = this.palette(groups);
    const tiles = [];
    const tile = (item, x, y, w, h, group) => tiles.push({ item, x, y, w, h, group });
    const total = groups.reduce((sum, group) => sum + group.bytes, 0);
    squarify(groups, 0, 0, width, height, (group, x, y, w, h) => {
      const head = h > 58 && w > 70 && groups.length > 1 ? 22 : 0;
      if (head) tile(null, x, y, w - 4, head, group);
      // What would be smaller than a few pixels is one tile together; the table has each.
      const scale = (w * h) / group.bytes;
      const large = group.items.filter((item) => item.bytes * scale >= 30);
      const small = group.items.filter((item) => item.bytes * scale < 30);
      const bytes = small.reduce((sum, item) => sum + item.bytes, 0);
      const items = bytes ? [...large, { many: small.length, bytes, group: small[0].group, one: small[0].one }] : large;
      squarify(items, x, y + head, w - 4, h - head - 4, (item, a, b, c, d) => tile(item, a, b, c, d, group));
    });
    const had = this.box.contains(document.activeElement);
    this.box.replaceChildren(...tiles.map((one, number) => this.element(one, number, colours, total)));
    this.tiles = tiles; this.total = total;
    this.focused = Math.min(this.focused, tiles.length - 1);
    if (tiles.length) tiles[Math.max(0, this.focused)].element.tabIndex = 0;
    if (had && tiles.length) tiles[Math.max(0, this.focused)].element.focus();
    $("out").hidden = !this.within;
    const words = sorted.slice(0, 9).map(([word, bytes]) => make("li", {}, make("i", { className: `c${colours.get(word)}` }), make("b", {}, word), ` ${size(bytes)}`));
    if (sorted.length > 9) words.push(make("li", {}, `and ${sorted.length - 9} more`));
    $("legend").replaceChildren(...words);
    $("legend").hidden = this.by === "kind" && groups.length > 1 && width > 700;
  },
  element(tile, number, colours, total) {
    const { item, group } = tile, { x, y, w, h } = tile;
    const name = !item ? group.name : item.many ? `${item.many} smaller` : label(item.one);
    const bytes = item ? item.bytes : group.bytes;
    const element = make("button", { type: "button", tabIndex: -1, className: item ? `c${item.many ? 8 : colours.get(this.word(item.one, item.group))}` : "group" });
    element.setAttribute("aria-label", item ? `${name}, ${size(bytes)}, ${share(bytes, total)}, ${group.name}` : `${name}, all of it: ${size(bytes)}, ${share(bytes, total)}. Enter to look closer`);
    const gap = item ? 1.5 : 0;
    Object.assign(element.style, { left: `${x}px`, top: `${y}px`, width: `${Math.max(1, w - gap)}px`, height: `${Math.max(1, h - gap)}px` });
    if (!item) element.append(make("span", {}, `${group.name} `, make("em", {}, size(bytes))));
    else if (w > 44 && h > 20) { element.append(make("span", {}, item.many ? name : item.one.n)); if (h > 40) element.append(make("span", {}, size(bytes))); }
    if (item && !item.many && table.query && !table.matches(item.one)) element.classList.add("dim");
    element.addEventListener("click", () => { this.focused = number; item && !item.many ? table.show(item.one) : this.zoom(group.name); });
    tile.element = element; tile.name = name; tile.bytes = bytes;
    return element;
  },
  zoom(name) { this.within = name; this.focused = 0; this.draw(); this.tiles[0]?.element.focus(); },
  say({ item, name, bytes, group }) {
    const told = item && !item.many ? [licence(item.one), item.one.s, item.one.c].filter(Boolean).join(" · ") : "click to look closer";
    $("say").replaceChildren(make("b", {}, name), ` ${size(bytes)}, ${share(bytes, this.total)} · ${group.name === name ? "" : `${group.name} · `}${told}`);
  },
  key(event) {
    const at = this.tiles.findIndex((one) => one.element === document.activeElement);
    if (at < 0) return;
    const middle = (one) => [one.x + one.w / 2, one.y + one.h / 2];
    const [x, y] = middle(this.tiles[at]);
    const toward = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
    let next = at;
    if (toward) {
      let best = Infinity;
      this.tiles.forEach((one, number) => {
        const [a, b] = middle(one), ahead = (a - x) * toward[0] + (b - y) * toward[1], aside = Math.abs((a - x) * toward[1]) + Math.abs((b - y) * toward[0]);
        if (number !== at && ahead > 1 && ahead + aside * 2.5 < best) { best = ahead + aside * 2.5; next = number; }
      });
    } else if (event.key === "Home") next = 0;
    else if (event.key === "End") next = this.tiles.length - 1;
    else if ((event.key === "Escape" || event.key === "Backspace") && this.within) { event.preventDefault(); return this.zoom(null); }
    else return;
    event.preventDefault();
    this.tiles[at].element.tabIndex = -1;
    this.tiles[next].element.tabIndex = 0;
    this.tiles[next].element.focus();
    this.focused = next;
  },
};
