// Lets time pass. `verify` has this file loaded before OpenCode's own code (BUN_INSPECT_PRELOAD, read by the bun in every
// release from 1.14.34 on). Until a file `go` appears in the directory of OPENCODE_CACHE_HOUR nothing is different; then the
// clocks of this process are moved in steps over the number of seconds that `go` holds, every timer that becomes due on the way
// fires in its order, and a file `passed` says what fired.
//
// Only timers of a second and more are moved: shorter ones are about this machine, not about the time of day.

import fs from "node:fs"
import timers from "node:timers"
import promises from "node:timers/promises"
import { isMainThread } from "node:worker_threads"

const directory = process.env.OPENCODE_CACHE_HOUR
// Programs that OpenCode starts may be buns as well: it is not their hour.
delete process.env.OPENCODE_CACHE_HOUR
delete process.env.BUN_INSPECT_PRELOAD

if (directory && isMainThread) {
  const MOVED = 1_000 // ms: shorter timers stay real
  const LONG = 30 * 60_000 // ms: from here on a timer counts as one that waits for hours
  const STEP = 5_000 // ms that the clocks move at once
  const PAUSE = 2 // real ms between two steps, in which what fired gets on with its work
  const MOST_ERRORS = 5

  const real = {
    setTimeout: globalThis.setTimeout,
    clearTimeout: globalThis.clearTimeout,
    setInterval: globalThis.setInterval,
    clearInterval: globalThis.clearInterval,
    Date: globalThis.Date,
    now: globalThis.Date.now,
    performance: performance.now.bind(performance),
    hrtime: process.hrtime.bind(process),
    bigint: process.hrtime.bigint.bind(process.hrtime),
  }
  let offset = 0 // ms that the clocks are ahead
  const elapsed = () => real.performance() + offset
  const waiting = new Map() // number of the timer → what it waits for
  const told = { seconds: 0, fired: 0, long: 0, errors: [] }

  const set = (schedule, period) => (callback, delay, ...rest) => {
    const wait = Number(delay)
    if (!(wait >= MOVED) || typeof callback !== "function") return schedule(callback, delay, ...rest)
    const entry = { callback, rest, wait, period, due: elapsed() + wait }
    const handle = schedule(() => {
      if (period) entry.due = elapsed() + wait
      else waiting.delete(entry.number)
      return callback(...rest)
    }, delay)
    entry.handle = handle
    entry.number = Number(handle)
    const refresh = handle.refresh?.bind(handle)
    if (refresh) {
      handle.refresh = () => {
        entry.due = elapsed() + wait
        waiting.set(entry.number, entry)
        return refresh()
      }
    }
    waiting.set(entry.number, entry)
    return handle
  }
  const clear = (forget) => (handle) => {
    if (handle !== undefined && handle !== null) waiting.delete(Number(handle))
    return forget(handle)
  }
  const replaced = {
    setTimeout: set(real.setTimeout, false),
    setInterval: set(real.setInterval, true),
    clearTimeout: clear(real.clearTimeout),
    clearInterval: clear(real.clearInterval),
  }
  for (const [name, value] of Object.entries(replaced)) {
    globalThis[name] = value
    timers[name] = value
  }
  const sleep = promises.setTimeout
  promises.setTimeout = (delay, value, options) => {
    if (!(Number(delay) >= MOVED)) return sleep(delay, value, options)
    return new Promise((resolve, reject) => {
      const signal = options?.signal
      if (signal?.aborted) return reject(signal.reason)
      const handle = replaced.setTimeout(() => resolve(value), delay)
      if (options?.ref === false) handle.unref?.()
      signal?.addEventListener("abort", () => {
        replaced.clearTimeout(handle)
        reject(signal.reason)
      }, { once: true })
    })
  }

  const now = () => real.now() + offset
  globalThis.Date = new Proxy(real.Date, {
    construct: (target, given, newTarget) => Reflect.construct(target, given.length ? given : [now()], newTarget),
    apply: (target) => new target(now()).toString(),
    get: (target, key) => (key === "now" ? now : Reflect.get(target, key)),
  })
  performance.now = elapsed
  process.hrtime = Object.assign(
    (before) => {
      const total = real.bigint() + BigInt(Math.round(offset)) * 1_000_000n
      const pair = [Number(total / 1_000_000_000n), Number(total % 1_000_000_000n)]
      if (!before) return pair
      const nano = (pair[0] - before[0]) * 1e9 + (pair[1] - before[1])
      return [Math.floor(nano / 1e9), nano % 1e9]
    },
    { bigint: () => real.bigint() + BigInt(Math.round(offset)) * 1_000_000n },
  )

  const fire = (entry) => {
    told.fired += 1
    if (entry.wait >= LONG) told.long += 1
    if (entry.period) entry.due += entry.wait
    else {
      waiting.delete(entry.number)
      real.clearTimeout(entry.handle)
    }
    try {
      entry.callback(...entry.rest)
    } catch (error) {
      if (told.errors.length < MOST_ERRORS) told.errors.push(String(error).slice(0, 500))
    }
  }
  const pass = async (seconds) => {
    for (let left = seconds * 1_000; left > 0; left -= STEP) {
      offset += Math.min(STEP, left)
      const due = [...waiting.values()].filter((entry) => entry.due <= elapsed())
      due.sort((one, other) => one.due - other.due)
      // One that another has cleared meanwhile is no longer due.
      for (const entry of due) if (waiting.get(entry.number) === entry) fire(entry)
      await new Promise((done) => real.setTimeout(done, PAUSE))
    }
    told.seconds = seconds
    fs.writeFileSync(`${directory}/passed.new`, JSON.stringify(told))
    fs.renameSync(`${directory}/passed.new`, `${directory}/passed`)
  }
  const look = real.setInterval(() => {
    let seconds
    try {
      seconds = Number(fs.readFileSync(`${directory}/go`, "utf8"))
    } catch {
      return
    }
    real.clearInterval(look)
    pass(seconds)
  }, 50)
  look.unref?.()
}
