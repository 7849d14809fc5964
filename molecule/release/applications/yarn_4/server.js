// The smallest application that can be released: it answers with what its environment file says, or not at all.
const { createServer } = require("node:http")

require("@next/env").loadEnvConfig(process.cwd(), false)

if (process.env.BROKEN === "true") {
  process.exit(1)
}
createServer((_, answer) => answer.end(process.env.GREETING)).listen(process.env.PORT, "127.0.0.1")
