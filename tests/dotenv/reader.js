// Copyright: (c) 2026, the flowdose.infra developers
// GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Reads one JSON request a line, {"consumer": "medusa"|"next", "directory": path}, and answers one line of JSON: a list of what
// process.env held after each load of that directory's .env. Anything else that a parser prints goes to standard error.
const path = require("node:path")
const readline = require("node:readline")

console.log = console.error

function medusa(directory) {
  const dotenv = require("dotenv")
  const { expand } = require("dotenv-expand")
  // As loadEnv("production", directory) of @medusajs/utils does, and a second time as in a child process that inherits the first.
  const load = () => expand(dotenv.config({ path: [".env.production", ".env"].map((file) => path.join(directory, file)) }))
  return [load, load]
}

function next(directory) {
  delete require.cache[require.resolve("@next/env")]
  const { loadEnvConfig } = require("@next/env")
  return [() => loadEnvConfig(directory, false, console)]
}

const consumers = { medusa, next }
const untouched = { ...process.env }

function read({ consumer, directory }) {
  const seen = consumers[consumer](directory).map((load) => {
    load()
    return Object.entries(process.env).filter(([key]) => !(key in untouched) && key !== "__NEXT_PROCESSED_ENV")
  })
  for (const key of Object.keys(process.env)) if (!(key in untouched)) delete process.env[key]
  return seen
}

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  process.stdout.write(JSON.stringify(read(JSON.parse(line))) + "\n")
})
