// Gives the programs that OpenCode starts the user's own environment back.
//
// The wrapper had to set some variables for OpenCode (where its cache is, and the one that names this
// plugin). OpenCode has read them by now; the shell tool, language servers, formatters and MCP servers
// start later and must not see them. OPENCODE_CACHE_SET holds their names, separated by ":", and
// OPENCODE_CACHE_USER_<NAME> what the user had instead, where the user had something.
//
// It runs when it is loaded, once or more often, and never fails: OpenCode starts whatever happens here.

// Where it was not loaded before OpenCode; in time for tools, but hardly for the plugins beside this one.
import "./modules.mjs"

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

export const Restore = async () => {
  restore(process.env)
  return {}
}
