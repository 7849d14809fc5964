// Reads the environment files of the working directory with the application's own loader, as its start does, and compares
// HMAC-SHA256 digests of what came out. Prints names only. Exit status 0: equal, 1: differences, 2: could not be done.
//
// Text of this program and the call of prove() arrive on stdin, so that neither values nor digests stand in a command line.

const { createHmac } = require("node:crypto")
const { createRequire } = require("node:module")

function hasOwn(load, name) {
  try {
    return Boolean(load.resolve(name))
  } catch {
    return false
  }
}

const loaders = {
  medusa: (load) => load("@medusajs/framework/utils").loadEnv("production", process.cwd()),
  next: (load) => {
    // a dependency of next, not necessarily of the application
    const next = hasOwn(load, "@next/env") ? load : createRequire(load.resolve("next/package.json"))
    next("@next/env").loadEnvConfig(process.cwd(), false, { info() {}, error: console.error })
  },
}

function prove({ nonce, digests }) {
  // A variable of the process hides the file's: it would be proved without being read.
  for (const name of Object.keys(digests)) {
    delete process.env[name]
  }
  try {
    loaders[process.argv[2]](createRequire(`${process.cwd()}/package.json`))
  } catch (error) {
    console.error(`the environment loader of ${process.argv[2]} cannot be used: ${error.message}`)
    process.exit(2)
  }
  const different = Object.entries(digests)
    .filter(([name, digest]) => createHmac("sha256", nonce).update(process.env[name] ?? "").digest("hex") !== digest)
    .map(([name]) => name)
  console.log(different.join(", "))
  process.exit(different.length ? 1 : 0)
}
