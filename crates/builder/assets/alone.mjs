// Keeps OpenCode before 1.14 from asking anybody for what an output has, or is not to have.
//
// It is loaded before OpenCode (BUN_INSPECT_PRELOAD; bun 1.3.3 in 1.0.152, 1.3.10 in 1.2.27). The bun that OpenCode
// starts to install packages, and to learn whether there are newer ones, is told of a registry that refuses at once: it
// could write nothing into the output, and on a network that loses every packet it would be waited for for a minute or
// more. A variable of OpenCode's own would not do, since what was lent is taken back before that bun is started. What OpenCode
// asks although it was told not to (the catalogue before 1.0.162, its own releases before it looks whether it may)
// fails as without a network. It never fails itself: OpenCode starts whatever happens here.

import { createRequire } from "node:module"
import "./modules.mjs"

const isOn = (name) => ["1", "true"].includes(String(process.env[name] ?? "").toLowerCase())

/** Whether an address is asked against the user's word, or ours. */
function isUnwanted(address) {
  if (address === ABOUT.catalogue) return isOn(ABOUT.noCatalogue)
  return isOn(ABOUT.noUpdate) && ABOUT.releases.some((end) => address.endsWith(end))
}

/** What a program is started with instead; nothing where it is none of ours. */
function changed(words, env) {
  const [program, ...rest] = words
  if (env?.BUN_BE_BUN === "1" && program === process.execPath) {
    return { words, env: { ...env, [ABOUT.registryVariable]: ABOUT.nobody } }
  }
  // How it was installed, which is only asked for the sake of an update; npm itself looks for a newer npm then.
  const asked = [program, ...rest].join(" ")
  if (isOn(ABOUT.noUpdate) && ABOUT.installed.includes(asked)) return { words: ["true"], env }
}

// A configuration's plugins took the place of those of the one before it (before 1.0.142), and so would ours of the
// user's. Nothing is added there: what ours is for is done when OpenCode reads the configuration that it is in, in every
// directory anew.
try {
  const [content, ...others] = ABOUT.carriers
  const ours = (process.env.OPENCODE_CACHE_SET ?? "").split(":")
  for (const name of others) if (ours.includes(name)) delete process.env[name]
  const text = ABOUT.carriers.length > 0 ? process.env[content] : undefined
  const parse = JSON.parse
  if (text !== undefined) {
    JSON.parse = function (given) {
      if (given !== text) return parse.apply(this, arguments)
      try {
        createRequire(import.meta.url)("./restore.mjs")
      } catch {}
      return ours.includes(content) ? {} : parse.apply(this, arguments)
    }
  }
} catch {}

try {
  const ask = globalThis.fetch
  const fetch = function fetch(input) {
    const unwanted = isUnwanted(String(input?.url ?? input))
    return unwanted ? Promise.reject(new TypeError("not asked: opencode-cache")) : ask.apply(this, arguments)
  }
  globalThis.fetch = Object.assign(fetch, ask)
} catch {}

try {
  const start = Bun.spawn
  Bun.spawn = function spawn(first, second) {
    let instead
    try {
      const together = Array.isArray(first) ? { ...second, cmd: first } : { ...first }
      instead = changed(together.cmd.map(String), together.env)
      if (instead) instead = { ...together, cmd: instead.words, env: instead.env }
    } catch {}
    return instead ? start.call(this, instead) : start.apply(this, arguments)
  }
} catch {}

// 1.0.152 asks by a shell of bun's own.
try {
  const shell = Bun.$
  const apply = (run, that, words) => {
    const unwanted = isOn(ABOUT.noUpdate) && ABOUT.installed.includes(String(words[0]?.[0]))
    return unwanted ? run`true` : Reflect.apply(run, that, words)
  }
  Bun.$ = new Proxy(shell, { apply })
} catch {}

// The terminal interface has OpenCode itself in a worker, which knows nothing of what was loaded before.
try {
  globalThis.Worker = class extends Worker {
    constructor(file, options) {
      const own = /parser\.worker|tree-sitter/.test(String(file)) ? [] : [import.meta.path]
      super(file, { ...options, preload: [options?.preload ?? [], own].flat() })
    }
  }
} catch {}

try {
  const modules = createRequire(import.meta.url)("node:child_process")
  const start = modules.spawn
  modules.spawn = function spawn(file, words, options) {
    let instead
    try {
      instead = Array.isArray(words) ? changed([String(file), ...words], options?.env ?? process.env) : undefined
    } catch {}
    if (!instead) return start.apply(this, arguments)
    return start.call(this, instead.words[0], instead.words.slice(1), { ...options, env: instead.env })
  }
} catch {}
