// An npm registry on loopback that has nothing but what locks pin, out of the vendor directory, for fixed-output builds:
//
//     node registry.mjs LOCK… VENDOR
//
// prints its port, and serves until its stdin ends. A path below /without/NAME/ lacks the package NAME; below /altered/NAME/
// it serves other bytes for it.

import { createReadStream, readFileSync, statSync } from "node:fs"
import { createServer } from "node:http"
import { join } from "node:path"

const lockFiles = process.argv.slice(2)
const vendor = lockFiles.pop()
const files = new Map()

function add(name, version, integrity) {
  const dash = integrity.indexOf("-")
  const hex = Buffer.from(integrity.slice(dash + 1), "base64").toString("hex")
  const path = `/${name}/-/${name.split("/").pop()}-${version}.tgz`
  files.set(path, join(vendor, integrity.slice(0, dash), hex.slice(0, 2), hex))
}

for (const lockFile of lockFiles) {
  const lock = JSON.parse(readFileSync(lockFile, "utf8"))
  for (const [id, { integrity }] of Object.entries(lock.packages)) {
    const at = id.lastIndexOf("@")
    add(id.slice(0, at), id.slice(at + 1), integrity)
  }
  const programs = Object.values(lock.programs ?? {}).flatMap((systems) => Object.values(systems))
  for (const { source, package: name, version, integrity } of [...Object.values(lock.systems), ...programs]) {
    if (source === "npm") add(name, version, integrity)
  }
}

const server = createServer((request, response) => {
  let path = decodeURIComponent(request.url)
  const [, fault, name] = /^\/(without|altered)\/([^/]+)\//.exec(path) ?? []
  if (fault) path = path.slice(fault.length + name.length + 2)
  const concerns = fault && path.startsWith(`/${name}/`)
  const file = files.get(path)
  if (!file || (concerns && fault === "without")) return void response.writeHead(404).end()
  const { size } = statSync(file)
  response.writeHead(200, { "content-length": size })
  if (concerns) return void response.end(Buffer.alloc(size))
  createReadStream(file).pipe(response)
})
server.listen(0, "127.0.0.1", () => console.log(server.address().port))
process.stdin.resume().on("end", () => process.exit(0))
