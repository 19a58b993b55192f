// Gives the programs that OpenCode starts the user's own environment back, and OpenCode's own library to
// custom tools.
//
// The wrapper had to set some variables for OpenCode (where its cache is, and the one that names this
// plugin). OpenCode has read them by now; the shell tool, language servers, formatters and MCP servers
// start later and must not see them. OPENCODE_CACHE_SET holds their names, separated by ":", and
// OPENCODE_CACHE_USER_<NAME> what the user had instead, where the user had something.
//
// It runs when it is loaded, once or more often, and never fails: OpenCode starts whatever happens here.

const SET = "OPENCODE_CACHE_SET"
const USER = "OPENCODE_CACHE_USER_"

function restore(env) {
  const names = env[SET]
  if (names === undefined) return
  for (const name of names.split(":")) {
    if (name === "") continue
    const own = env[USER + name]
    // Deleted first: bun then goes on with what it was started with (no proxy for this machine), and only
    // programs see the user's value. Assigned alone, it would take that on itself (1.18.18).
    delete env[name]
    if (own !== undefined) env[name] = own
    delete env[USER + name]
  }
  delete env[SET]
}

restore(process.env)

// A custom tool imports "@opencode-ai/plugin", which OpenCode would install beside it: without a network a
// tool in a directory that nobody seeded is an error and no answer (1.18.18). This has it come from the
// output, in the version of this OpenCode, and writes nothing into anybody's directory.
function provide(bun) {
  const captured = new URL("../../config", import.meta.url).pathname
  for (const name of ["@opencode-ai/plugin", "@opencode-ai/plugin/tool"]) {
    let found
    try {
      found = bun.resolveSync(name, decodeURIComponent(captured))
    } catch {
      continue
    }
    const setup = (build) =>
      build.module(name, async () => ({ exports: await import(found), loader: "object" }))
    bun.plugin({ name: "opencode-cache " + name, setup })
  }
}

try {
  if (globalThis.Bun) provide(globalThis.Bun)
} catch {}

export const Restore = async () => {
  restore(process.env)
  return {}
}
