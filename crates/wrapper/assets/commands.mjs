// Has OpenCode find packages that were captured because a configuration starts their programs by `npx` and the like
// (`commands` in the manifest): MCP servers, language servers, formatters.
//
// Where OpenCode itself starts `npx NAME …`, and NAME is in the output, its program is started in place of npx: by the
// machine's node, or by the bun in OpenCode's own binary where there is no node. Nothing is put on anybody's PATH, and what
// tools and their shells start is left alone. Everything else goes the way it always went.
//
// All of OpenCode's own starts come through `spawn` of node:child_process (cross-spawn; 1.14.34 to 1.18.33). Command lines
// are read as crates/builder/src/started.rs does; fixtures/commands holds for both. It never fails.

import { existsSync, readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { basename, dirname, join } from "node:path"

const RUNNERS = {
  npx: [],
  bunx: [],
  pnpx: [],
  npm: ["exec", "x"],
  bun: ["x"],
  pnpm: ["dlx"],
  yarn: ["dlx"],
  opencode: ["x"],
}
const FLAGS = new Set(
  ["-y", "--yes", "-q", "--quiet", "-s", "--silent", "--verbose", "--bun", "--no", "--no-install"].concat(
    ["--offline", "--prefer-offline", "--prefer-online"],
  ),
)
// A package of a registry, and what is wanted of it.
const SPEC = /^((?:@[a-z0-9~._-]+\/)?[a-z0-9~_-][a-z0-9~._-]*)(?:@([^@:/]+))?$/i
// How far up a project's own programs are looked for.
const DEPTH = 64

/** What a command line runs: a package, its program where the command names one, and that one's arguments. */
export function read([program, ...words]) {
  const verbs = Object.hasOwn(RUNNERS, basename(program)) ? RUNNERS[basename(program)] : undefined
  if (!verbs || (verbs.length && !verbs.includes(words.shift()))) return
  let named
  let ended = false
  let first
  while (first === undefined) {
    const word = words.shift()
    if (word === undefined) return
    const given = /^(?:--package|-p)(?:=(.*))?$/s.exec(word)
    if (word === "--") {
      ended = true
      first = words.shift()
      if (first === undefined) return
    } else if (given) {
      const value = given[1] ?? words.shift()
      if (value === undefined || named !== undefined) return
      named = value
    } else if (!word.startsWith("-")) {
      first = word
    } else if (!FLAGS.has(word)) {
      return
    }
  }
  const spec = SPEC.exec(named ?? first)
  if (!spec) return
  // npm reads options behind the package too.
  if (basename(program) === "npm" && !ended) {
    if (words[0] === "--") words.shift()
    else if (words.some((word) => word.startsWith("-"))) return
  }
  const executable = named === undefined ? undefined : first
  return { spec: spec[0], name: spec[1], want: spec[2], executable, arguments: words }
}

/** The captured package that serves a command: the same, or the same version, or any where none is named. */
function captured(packages, { name, want }) {
  const all = packages.filter((one) => one.name === name)
  const same = all.find((one) => one.want === (want ?? "latest"))
  return same ?? (want === undefined ? all[0] : all.find((one) => one.version === want))
}

/** Whether a project has the program itself, and the machine what runs it there: then it is the project's. */
function isTheProjects(file, run, options, env) {
  if (run.want !== undefined || !Bun.which(file, { PATH: env.PATH ?? "" })) return false
  const program = run.executable ?? run.name
  let directory = String(options?.cwd ?? process.cwd())
  for (let depth = 0; depth < DEPTH; depth++, directory = dirname(directory)) {
    const own = [join(".bin", program), join(run.name, "package.json")]
    if (own.some((file) => existsSync(join(directory, "node_modules", file)))) return true
    if (directory === dirname(directory)) return false
  }
  return false
}

/** What is started instead, as arguments of `spawn`; nothing where nothing was captured for it. */
function instead(output, packages, file, words, options) {
  const run = options?.shell ? undefined : read([String(file), ...words])
  const found = run && captured(packages, run)
  const program = found?.programs[run.executable ?? found.runs]
  if (!program) return
  const env = options?.env ?? process.env
  if (isTheProjects(file, run, options, env)) return
  const path = join(output, found.path, program.file)
  if (!program.script) return [path, run.arguments, options]
  const node = Bun.which("node", { PATH: env.PATH ?? "" })
  if (node) return [node, [path, ...run.arguments], options]
  // What bun would take from the directory that it is started in is not for this program.
  const own = ["--no-install", "--no-env-file", "--config=/dev/null", path]
  return [process.execPath, [...own, ...run.arguments], { ...options, env: { ...env, BUN_BE_BUN: "1" } }]
}

/** Serves what the output has. */
export function serve(output) {
  const index = join(output, "lib/opencode/commands.json")
  if (!existsSync(index)) return
  const { packages } = JSON.parse(readFileSync(index, "utf8"))
  const modules = createRequire(import.meta.url)("node:child_process")
  const start = modules.spawn
  modules.spawn = function spawn(file, words, options) {
    let served
    try {
      served = Array.isArray(words) ? instead(output, packages, file, words, options) : undefined
    } catch {}
    return served ? start.apply(this, served) : start.apply(this, arguments)
  }
}
