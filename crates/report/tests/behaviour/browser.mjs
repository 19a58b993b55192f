// Drives Chromium through its own protocol over a pipe (no port, no package), and says what is not as it should be.
// node browser.mjs CHROMIUM WHAT=PAGE…; with SCREENSHOTS=DIR it leaves pictures there.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [chromium, ...pages] = process.argv.slice(2);
const home = mkdtempSync(join(tmpdir(), "page-"));
const browser = spawn(chromium, ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync", `--user-data-dir=${home}`, "--remote-debugging-pipe", "about:blank"],
  { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"], detached: true });
const waiting = new Map();
const heard = [];
let number = 0, session, held = "";
browser.stdio[4].on("data", (bytes) => {
  const messages = (held + bytes).split("\0");
  held = messages.pop();
  for (const message of messages.map((text) => JSON.parse(text))) {
    if (message.id) { waiting.get(message.id)(message); waiting.delete(message.id); } else heard.push(message);
  }
});
const send = (method, params = {}) => new Promise((done, failed) => {
  const id = ++number;
  waiting.set(id, (answer) => (answer.error ? failed(new Error(`${method}: ${answer.error.message}`)) : done(answer.result)));
  browser.stdio[3].write(`${JSON.stringify({ id, method, params, ...(session ? { sessionId: session } : {}) })}\0`);
});
const wrong = [];
const expect = (told, what) => { if (!told) wrong.push(what); };
const run = async (expression) => {
  const { result, exceptionDetails } = await send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
  if (exceptionDetails) throw new Error(`${expression}: ${exceptionDetails.exception?.description ?? exceptionDetails.text}`);
  return result.value;
};
const settle = () => run("new Promise((done) => setTimeout(() => requestAnimationFrame(() => requestAnimationFrame(() => done(1))), 120))");
const key = async (name, text) => {
  const code = { ArrowRight: 39, ArrowDown: 40, ArrowLeft: 37, Enter: 13, Escape: 27, Tab: 9, Home: 36, End: 35 }[name] ?? 0;
  await send("Input.dispatchKeyEvent", { type: "keyDown", key: name, code: name, windowsVirtualKeyCode: code, ...(text ? { text } : {}) });
  await send("Input.dispatchKeyEvent", { type: "keyUp", key: name, code: name, windowsVirtualKeyCode: code });
  await settle();
};
const shoot = async (name, full = false) => {
  if (!process.env.SCREENSHOTS) return;
  const { data } = await send("Page.captureScreenshot", { format: "png", captureBeyondViewport: full });
  writeFileSync(join(process.env.SCREENSHOTS, `${name}.png`), Buffer.from(data, "base64"));
};
const rows = () => run("document.querySelectorAll('#rows tr:not(.more)').length");
const search = async (text) => { await run(`(() => { const box = document.getElementById("search"); box.value = ${JSON.stringify(text)}; box.dispatchEvent(new Event("input")); })()`); await settle(); };
const background = () => run("getComputedStyle(document.body).backgroundColor");
const theme = (value) => send("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value }] });

const looks = {
  async whole() {
    await send("Emulation.setDeviceMetricsOverride", { width: 1280, height: 900, deviceScaleFactor: 1, mobile: false });
    await settle();
    await shoot("light", true);
    // The map.
    const tiles = await run("[...document.querySelectorAll('#map button:not(.group)')].map((one) => one.offsetWidth * one.offsetHeight)");
    expect(tiles.length >= 5 && tiles.every((area) => area > 0), `the map has ${tiles.length} tiles`);
    expect(!(await run("[...document.querySelectorAll('#map button')].some((one) => one.getAttribute('aria-label').startsWith('opencode 1'))")), "OpenCode itself is in the map unasked");
    await run("document.getElementById('whole').click()");
    await settle();
    expect(await run("[...document.querySelectorAll('#map button')].some((one) => one.getAttribute('aria-label').startsWith('opencode 1'))"), "OpenCode itself is not in the map");
    await run("document.getElementById('whole').click()");
    // By keys: into it, through it, into a group and back.
    await run("document.querySelector('#map [tabindex=\"0\"]').focus()");
    const focused = () => run("document.activeElement.getAttribute('aria-label')");
    const first = await focused();
    await key("ArrowDown");
    const second = await focused();
    expect(first && second && first !== second, `an arrow leads from ${first} to ${second}`);
    await run("document.querySelector('#map button.group').focus()");
    await key("Enter", "\r");
    expect(await run("!document.getElementById('out').hidden"), "Enter does not look closer");
    await key("Escape");
    expect(await run("document.getElementById('out').hidden"), "Escape does not go back");
    for (const by of ["licence", "signature", "change", "kind"]) {
      await run(`document.querySelector("input[name=colour][value=${by}]").click()`);
      await settle();
      if (by !== "kind") expect((await run("document.querySelectorAll('#legend li').length")) > 0, `no legend for ${by}`);
      await shoot(`map-${by}`);
    }
    // The table.
    const all = await rows();
    await key("/", "/");
    expect((await run("document.activeElement.id")) === "search", "/ does not search");
    await search("b 2.0.0".split(" ")[1]);
    expect((await rows()) === 1, `a version finds ${await rows()} rows`);
    await search("isc");
    expect((await rows()) >= 1 && (await rows()) < all, "a licence finds nothing");
    await search("nothing has this name");
    expect((await rows()) === 0 && /^0 of/.test(await run("document.getElementById('count').textContent")), "nothing is found wrongly");
    await run("document.getElementById('reset').click()");
    await settle();
    expect((await rows()) === all, "the search does not end");
    await run("document.querySelector('[data-key=n]').click()");
    const names = await run("[...document.querySelectorAll('#rows .open')].map((one) => one.textContent)");
    expect(names.join() === [...names].sort().join(), `not sorted: ${names}`);
    await run("document.querySelector('#rows .open').click()");
    expect(await run("document.querySelector('#rows .open').getAttribute('aria-expanded') === 'true' && !!document.querySelector('tr.more dd code')"), "a row does not open");
    await run("(() => { const change = document.getElementById('change'); change.value = 'changed'; change.dispatchEvent(new Event('change')); })()");
    expect((await run("document.querySelector('#rows .open').textContent")) === "a", "what changed is not found");
    await run("document.getElementById('reset').click()");
    // What changed, and the proof.
    const signs = await run("[...document.querySelectorAll('#changes td.sign')].map((one) => one.firstChild.data).join('')");
    expect(signs.includes("+") && signs.includes("−") && signs.includes("~"), `changes are ${signs}`);
    expect((await run("document.querySelectorAll('#proof tbody tr').length")) === 3, "the proof is not there");
    // Hostile names are text.
    expect(!(await run("!!document.querySelector('img')")), "a package's name became an element");
    expect(await run("[...document.querySelectorAll('#rows .open')].some((one) => one.textContent.startsWith('</script><img'))"), "a hostile name is not told");
    // Both themes, as the system has it and by hand.
    await theme("light");
    const light = await background();
    await theme("dark");
    const dark = await background();
    expect(light !== dark, "dark is light");
    await settle();
    await shoot("dark", true);
    await run("document.querySelector('input[name=theme][value=light]').click()");
    expect((await background()) === light, "the switch does not switch");
    await theme("light");
    await run("document.querySelector('input[name=theme][value=dark]').click()");
    expect((await background()) === dark, "the switch does not switch to dark");
    await run("document.querySelector('input[name=theme][value=auto]').click()");
    // Contrast of every text with what is behind it: 4.5 as WCAG has it for AA.
    for (const value of ["light", "dark"]) {
      await theme(value);
      await settle();
      const poor = await run(`(${contrast})()`);
      expect(poor.length === 0, `${value}: too little contrast: ${poor.slice(0, 5).join("; ")}`);
    }
    await theme("light");
    // What a screen reader is told.
    const { nodes } = await send("Accessibility.getFullAXTree");
    const nameless = nodes.filter((node) => !node.ignored && ["button", "link", "textbox", "searchbox", "combobox", "radio", "checkbox", "image"].includes(node.role?.value) && !node.name?.value);
    expect(nameless.length === 0, `without a name: ${nameless.map((node) => node.role.value)}`);
    expect(nodes.some((node) => node.role?.value === "main") && nodes.some((node) => node.role?.value === "navigation") && nodes.some((node) => node.role?.value === "table"), "landmarks are missing");
    const { data } = await send("Page.printToPDF", {});
    expect(Buffer.from(data, "base64").length > 20000, "nothing is printed");
    // A telephone: nothing is wider than it, but what scrolls by itself.
    await send("Emulation.setDeviceMetricsOverride", { width: 390, height: 800, deviceScaleFactor: 1, mobile: false });
    await settle();
    const over = await run("document.documentElement.scrollWidth - innerWidth");
    expect(over <= 0, `${over} pixels too wide for a telephone`);
    await shoot("phone", true);
  },
  async many() {
    const seconds = await run("performance.timing.loadEventEnd - performance.timing.navigationStart");
    expect(seconds < 60000, `it takes ${seconds} ms to load`);
    expect((await rows()) < 1000, "all rows are drawn at once");
    const took = await run("(() => { const start = performance.now(); const box = document.getElementById('search'); box.value = 'package-49'; table.filter(); return performance.now() - start; })()");
    expect(took < 20000, `a search takes ${took} ms`);
    expect((await run("table.rows.length")) === 111, `a search finds ${await run("table.rows.length")}`);
    await run("table.reset()");
    await shoot("many");
    expect((await run("document.querySelectorAll('#map button').length")) < 5000, "the map draws what nobody sees");
    console.log(`5,000 packages: loaded in ${seconds} ms, searched in ${took.toFixed(0)} ms`);
    await run("dispatchEvent(new Event('beforeprint'))");
    expect((await rows()) > 5000, "not all rows are printed");
  },
};

// Runs in the page: texts whose colour is too near to what is behind them.
const contrast = function () {
  const parse = (text) => text.match(/[\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((one) => one / 255).map((one) => (one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4)).reduce((sum, one, at) => sum + one * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (element) => { for (let at = element; at; at = at.parentElement) { const colour = parse(getComputedStyle(at).backgroundColor); if (colour[3] === undefined || colour[3] > 0) return colour; } return [255, 255, 255]; };
  const poor = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.offsetParent || element.closest("script,style,noscript,.sr,option")) continue;
    const [a, b] = [light(parse(getComputedStyle(element).color)), light(behind(element))].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) poor.push(`${walker.currentNode.data.trim().slice(0, 30)} ${((a + 0.05) / (b + 0.05)).toFixed(2)}`);
  }
  return poor;
}.toString();

const late = setTimeout(() => { console.error("the browser does not answer"); browser.kill("SIGKILL"); process.exit(1); }, 240000);
try {
  for (const page of pages) {
    const at = page.indexOf("="), what = page.slice(0, at), address = pathToFileURL(page.slice(at + 1)).href;
    session = undefined;
    const { targetId } = await send("Target.createTarget", { url: "about:blank" });
    session = (await send("Target.attachToTarget", { targetId, flatten: true })).sessionId;
    heard.length = 0;
    for (const domain of ["Page", "Runtime", "Network", "Log", "Accessibility"]) await send(`${domain}.enable`);
    await send("Page.navigate", { url: address });
    while (!heard.some((one) => one.method === "Page.loadEventFired")) await new Promise((done) => setTimeout(done, 20));
    await settle();
    await looks[what]();
    const asked = heard.filter((one) => one.method === "Network.requestWillBeSent").map((one) => one.params.request.url);
    expect(asked.length === 1 && asked[0] === address, `asked for ${asked}`);
    const said = heard.filter((one) => one.method === "Log.entryAdded" || one.method === "Runtime.exceptionThrown");
    expect(said.length === 0, `the browser says ${JSON.stringify(said.map((one) => one.params.entry?.text ?? one.params.exceptionDetails?.exception?.description))}`);
  }
} catch (error) {
  wrong.push(String(error.stack ?? error));
} finally {
  clearTimeout(late);
  const ended = new Promise((done) => browser.once("exit", done));
  // With its helpers, which are in its process group.
  process.kill(-browser.pid, "SIGKILL");
  await ended;
  // Those that are in none may write for a moment longer. `maxRetries` does not look into a directory again that something came into meanwhile.
  for (let tries = 100; ; tries--) {
    try {
      rmSync(home, { recursive: true, force: true });
      break;
    } catch (error) {
      if (error.code !== "ENOTEMPTY" || tries === 0) throw error;
      await new Promise((done) => setTimeout(done, 100));
    }
  }
}
for (const one of wrong) console.error(one);
process.exit(wrong.length ? 1 : 0);
