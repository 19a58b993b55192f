"use strict";
// What the page knows, and how it is said. Everything that packages say of themselves goes through textContent, never through markup.
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const make = (name, properties = {}, ...children) => {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in element) element[key] = value;
    else element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
};
const size = (bytes) => {
  if (bytes < 1000) return `${bytes} B`;
  let value = bytes, unit = "";
  for (const next of ["kB", "MB", "GB", "TB"]) {
    if (value < 1000) break;
    value /= 1000;
    unit = next;
  }
  return `${value.toFixed(1)} ${unit}`;
};
const share = (part, whole) => {
  const percent = whole ? (part / whole) * 100 : 0;
  return percent > 0 && percent < 0.1 ? "under 0.1 %" : `${percent.toFixed(percent < 10 ? 1 : 0)} %`;
};
// What is declared; what installers and this program wrote has no terms of its own.
const licence = (one) => one.l ?? (one.k === "files" || one.k === "catalogue" ? "of its own none" : "none declared");
const signature = (one) => one.s ?? "nothing known";
const label = (one) => (one.v ? `${one.n} ${one.v}` : one.n);

// Who needs whom, the other way round.
data.components.forEach((one, number) => { one.at = number; one.by = []; });
data.components.forEach((one) => one.d.forEach((number) => data.components[number].by.push(one.at)));

// Light, dark, or as the system is; kept where the browser keeps anything for a page like this.
const theme = {
  set(value) {
    if (value === "auto") document.documentElement.removeAttribute("data-theme");
    else document.documentElement.dataset.theme = value;
    try { localStorage.setItem("theme", value); } catch { /* a file without storage forgets */ }
  },
  start() {
    let kept = null;
    try { kept = localStorage.getItem("theme"); } catch { /* likewise */ }
    for (const input of document.querySelectorAll("input[name=theme]")) {
      if (input.value === kept) { input.checked = true; this.set(kept); }
      input.addEventListener("change", () => this.set(input.value));
    }
  },
};

// Which section is being read.
const places = {
  start() {
    const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
    const seen = new Set();
    const watcher = new IntersectionObserver((entries) => {
      for (const entry of entries) entry.isIntersecting ? seen.add(entry.target.id) : seen.delete(entry.target.id);
      const first = [...links.keys()].find((id) => seen.has(id));
      for (const [id, link] of links) id === first ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current");
    }, { rootMargin: "-15% 0px -60% 0px" });
    for (const id of links.keys()) { const section = $(id); if (section) watcher.observe(section); }
  },
};
