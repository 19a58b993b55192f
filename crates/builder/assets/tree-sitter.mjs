// The first module of the worker that colours code in the terminal interface. That worker downloads grammars for languages
// that it does not have; what was captured comes from the output, and in the offline profile nothing else is asked for:
// the worker then leaves that code without colours, as it does when a download fails.
import { readFileSync } from "node:fs"
import { grammars, online } from "./grammars.mjs"

const real = globalThis.fetch

globalThis.fetch = async (input, init) => {
  const url = typeof input === "string" ? input : String(input?.url ?? input)
  const captured = grammars.get(url)
  if (captured !== undefined) return new Response(readFileSync(new URL(captured, import.meta.url)))
  if (online || !/^https?:/i.test(url)) return real(input, init)
  return new Response("", { status: 404, statusText: "not captured" })
}
