// Has custom tools and local plugins find the packages that were captured for them, wherever they lie, and
// writes nothing into anybody's directory.
//
// A tool in a project's `.opencode` imports "@opencode-ai/plugin" and what `.opencode/package.json` names;
// OpenCode would install both beside it, and without a network the import is an error and no answer
// (1.18.18). Imports that lead nowhere as they stand lead to the output's trees here: to the one that was
// captured for a `package.json` that says the same, and for what no `package.json` names to the config
// directory's. What is really installed wins always, and two projects may have two versions.
//
// It is loaded before OpenCode (BUN_INSPECT_PRELOAD, 1.14.34 to 1.18.33), so that it is there in time for
// local plugins, which OpenCode loads all at once; and by restore.mjs, where that variable is the user's own.
// It never fails: OpenCode starts whatever happens here.
//
// The sources are rewritten as they are loaded: of a plugin's hooks bun 1.3.14 asks `onResolve` only for
// names with a dot or a colon, and `module` knows nothing of who imports.

import { existsSync, readFileSync } from "node:fs"
import { createRequire, isBuiltin } from "node:module"
import { basename, dirname, extname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { serve } from "./commands.mjs"

const OUTPUT = fileURLToPath(new URL("../../", import.meta.url))
// What OpenCode adds to every package.json by itself, in its own version.
const LIBRARY = "@opencode-ai/plugin"
// Of whoever loads something, all but packages, OpenCode itself (/$bunfs/) and what comes with it. What is written in
// JSX is the terminal interface's, and translated by it.
const SOURCES = /^(?!.*\/node_modules\/)(?!\/\$bunfs\/)(?!.*-opencode-cache\/lib\/).*\.[cm]?[jt]s$/
// The commands whose main thread loads tools and plugins. The terminal interface has a worker for that; its own plugins
// are rewritten by itself on the main thread, which the first who asks for a file would keep it from (1.14.34 to 1.18.33).
const SERVING = ["acp", "agent", "debug", "export", "github", "import", "mcp", "models", "run", "serve", "session", "stats", "web"]
// An import with what it imports; or a comment or a text, in which nothing is an import.
const IMPORT = new RegExp(
  [
    /(\bfrom\s*|\bimport\s*\(?\s*|\brequire(?:\.resolve)?\s*\(\s*|\bcreateRequire\s*\([^()]*\)\s*\(\s*)/,
    /(["'`])((?:@[\w.~-]+\/)?[\w~-][^"'`\\\s]*)\2/,
    /|\/\*[^]*?\*\/|\/\/.*/,
    // Unrolled: a bundle has texts of a megabyte.
    /|"[^"\\\n]*(?:\\.[^"\\\n]*)*"|'[^'\\\n]*(?:\\.[^'\\\n]*)*'|`[^`\\]*(?:\\[^][^`\\]*)*`/,
  ].map((part) => part.source).join(""),
  "g",
)
// The binary's own worker that colours code (1.14.34 to 1.17.18; 1.18.18 and later).
const COLOURING = /\/(parser\.worker|opentui-tree-sitter-worker)\.js$/
// How far up a package.json is looked for.
const DEPTH = 64

/** The captured trees, each with what its package.json asks for; the config directory's is the last. */
let trees
function captured() {
  if (trees) return trees
  try {
    trees = JSON.parse(readFileSync(join(OUTPUT, "lib/opencode/modules.json"), "utf8")).trees
  } catch {
    trees = []
  }
  return trees
}

function packageName(specifier) {
  const parts = specifier.split("/")
  return specifier.startsWith("@") ? parts.slice(0, 2).join("/") : parts[0]
}

/** What the package.json next above a file asks for, but for OpenCode's library. */
function wanted(file) {
  let directory = dirname(file)
  for (let depth = 0; depth < DEPTH; depth++, directory = dirname(directory)) {
    const path = join(directory, "package.json")
    if (existsSync(path)) {
      const own = JSON.parse(readFileSync(path, "utf8"))
      const { peerDependencies, devDependencies, dependencies, optionalDependencies } = own
      const all = { ...peerDependencies, ...devDependencies, ...dependencies, ...optionalDependencies }
      delete all[LIBRARY]
      return all
    }
    if (basename(directory) === ".opencode" || directory === "/") break
  }
  return {}
}

const same = (a, b) => {
  const names = Object.keys(a)
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name])
}

/** The trees that may have a package for a file, best first. */
function candidates(file, name) {
  const all = captured()
  let own = {}
  try {
    own = wanted(file)
  } catch {}
  const exact = all.filter((tree) => same(tree.dependencies, own))
  // Another version than the one that is asked for is worse than none.
  if (own[name] !== undefined) return [...exact, ...all.filter((tree) => tree.dependencies[name] === own[name])]
  return [...exact, ...all.slice(-1)]
}

function found(resolve) {
  try {
    return resolve()
  } catch {
    return undefined
  }
}

/** Where an import leads in the captured trees; nothing where it leads somewhere by itself, or nowhere. */
function elsewhere(file, specifier, required) {
  if (isBuiltin(specifier) || specifier.startsWith("bun:") || specifier === "bun") return
  if (found(() => Bun.resolveSync(specifier, dirname(file)))) return
  for (const { path } of candidates(file, packageName(specifier))) {
    const tree = join(OUTPUT, path)
    const asRequired = () => createRequire(join(tree, "index.js")).resolve(specifier)
    const place = (required && found(asRequired)) || found(() => Bun.resolveSync(specifier, tree))
    if (place?.startsWith("/")) return place
  }
}

function rewritten(file, text, loader) {
  const imported = new Set(new Bun.Transpiler({ loader }).scanImports(text).map((one) => one.path))
  const places = new Map()
  const place = (specifier, required) => {
    const key = `${required} ${specifier}`
    if (!places.has(key)) places.set(key, elsewhere(file, specifier, required))
    return places.get(key)
  }
  const bare = [...imported].filter((specifier) => !/^[./]/.test(specifier))
  if (!text.includes("equire") && !bare.some((specifier) => place(specifier, false))) return text
  return text.replace(IMPORT, (whole, before, quote, specifier) => {
    if (before === undefined) return whole
    const required = /^(require|createRequire)/.test(before)
    if (!required && !imported.has(specifier)) return whole
    const found = place(specifier, required)
    return found === undefined ? whole : before + JSON.stringify(found)
  })
}

function load({ path }) {
  const extension = extname(path).slice(1).replace(/^[cm]/, "")
  const loader = extension === "js" ? "jsx" : extension
  const text = readFileSync(path, "utf8")
  try {
    return { contents: rewritten(path, text, loader), loader }
  } catch {
    // Bun has better words for what is wrong with it.
    return { contents: text, loader }
  }
}

// The TUI's server is a worker, which no preload reaches by itself. The one that colours code is started when there is code
// to colour, and by then 1.14.34 has loaded restore.mjs on this thread too, which takes back the variable that names ours.
function reachWorkers() {
  const colours = process.env.OTUI_TREE_SITTER_WORKER_PATH
  const construct = (worker, [url, options], target) => {
    if (colours && COLOURING.test(String(url))) return Reflect.construct(worker, [colours, ...(options ? [options] : [])], target)
    const preload = [import.meta.url, ...[options?.preload ?? []].flat()]
    return Reflect.construct(worker, [url, { ...options, preload }], target)
  }
  globalThis.Worker = new Proxy(globalThis.Worker, { construct })
}

// Native modules name libraries that lie where no loader looks on a machine like NixOS. One that is loaded already serves whoever
// names it later, so each is loaded by its path, once a process, in an order in which each finds what it needs itself. By the C
// library's own function: what bun loads and finds to be no module, it lets go again (1.3.13, 1.3.14).
function loadLibraries() {
  const list = join(OUTPUT, "lib/opencode/libraries.json")
  if (!existsSync(list)) return
  const { dlopen } = createRequire(import.meta.url)("bun:ffi")
  const own = { dlopen: { args: ["ptr", "i32"], returns: "ptr" } }
  // glibc since 2.34, before, musl. OpenCode has loaded it.
  const library = ["libc.so.6", "libdl.so.2", `libc.musl-${process.arch === "x64" ? "x86_64" : "aarch64"}.so.1`]
  const load = library.map((name) => found(() => dlopen(name, own))).find(Boolean)?.symbols.dlopen
  const LAZY = 1
  for (const path of JSON.parse(readFileSync(list, "utf8"))) load?.(Buffer.from(`${path}\0`), LAZY)
}

const ONCE = Symbol.for("opencode-cache modules")
try {
  if (globalThis.Bun && !globalThis[ONCE]) {
    globalThis[ONCE] = true
    const serves = !Bun.isMainThread || process.argv.slice(2).some((word) => SERVING.includes(word))
    if (serves) {
      Bun.plugin({ name: "opencode-cache", setup: (build) => void build.onLoad({ filter: SOURCES }, load) })
    }
    if (Bun.isMainThread) {
      reachWorkers()
      loadLibraries()
    }
    // Last: where its index is no good, all of the above is done.
    serve(OUTPUT)
  }
} catch {}
