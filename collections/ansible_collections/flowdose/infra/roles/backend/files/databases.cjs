// Asks the databases of the Medusa application in the working directory, with its own drivers, its own .env, and seconds of
// patience. `check`: both connections, encrypted and verified. `key`: prints a publishable key, if there is one.
// Exit status 1 and a sentence on stderr when something is not as it should be.

const { createRequire } = require("node:module")

const SECONDS = 5
const load = createRequire(`${process.cwd()}/package.json`)
// dependencies of Medusa, not necessarily of the application
const framework = createRequire(load.resolve("@medusajs/framework/utils"))

const ADVICE = {
  certificate:
    "its certificate is not signed by an authority in {ca}: the file must be the CA certificate of this cluster. Never switch verification off.",
  timeout: `no answer within ${SECONDS} s: the cluster's trusted sources must name this droplet's tag, and it must be in the same VPC.`,
  password: "user or password are refused: read them again from the API, or reset them.",
}

function explain(error, ca) {
  const code = error.code ?? ""
  const text = `${code} ${error.message}`
  let advice = ""
  if (/CERT|SIGNATURE|ISSUER|certificate/i.test(text)) advice = ADVICE.certificate
  else if (/ETIMEDOUT|timeout|ECONNREFUSED|EHOSTUNREACH/i.test(text)) advice = ADVICE.timeout
  else if (/28P01|28000|WRONGPASS|NOAUTH/.test(text)) advice = ADVICE.password
  return `${text.trim()}. ${advice.replace("{ca}", ca)}`.trim()
}

function address(url) {
  const { hostname, port } = new URL(url)
  return `${hostname}:${port}`
}

async function postgresql(question) {
  const { Client } = framework("pg")
  const url = process.env.DATABASE_URL
  const options = new URL(url).searchParams
  if (options.get("sslmode") !== "verify-full") {
    throw new Error("DATABASE_URL must say sslmode=verify-full and sslrootcert=FILE, or nobody knows who answers")
  }
  const client = new Client({ connectionString: url, connectionTimeoutMillis: SECONDS * 1000, query_timeout: SECONDS * 1000 })
  client.on("error", () => {})
  try {
    await client.connect()
    return (await client.query(question)).rows
  } catch (error) {
    throw new Error(`PostgreSQL at ${address(url)}: ${explain(error, options.get("sslrootcert"))}`)
  } finally {
    client.end().catch(() => {})
  }
}

async function valkey() {
  const Redis = framework("ioredis")
  const url = process.env.REDIS_URL
  if (!url) return
  const client = new Redis(url, {
    lazyConnect: true,
    connectTimeout: SECONDS * 1000,
    commandTimeout: SECONDS * 1000,
    retryStrategy: () => null,
    enableOfflineQueue: false,
  })
  // the reason arrives as an event, the promise says only that the connection is closed
  let reason
  client.on("error", (error) => {
    reason ??= error
  })
  try {
    await client.connect()
    await client.ping()
  } catch (error) {
    throw new Error(`Valkey at ${address(url)}: ${explain(reason ?? error, process.env.NODE_EXTRA_CA_CERTS)}`)
  } finally {
    client.disconnect()
  }
}

const commands = {
  async check() {
    const results = await Promise.allSettled([postgresql("select 1"), valkey()])
    const problems = results.filter(({ status }) => status === "rejected").map(({ reason }) => reason.message)
    if (problems.length) throw new Error(problems.join("\n"))
  },
  async key() {
    const keys = await postgresql(
      "select token from api_key where type = 'publishable' and revoked_at is null and deleted_at is null order by created_at limit 1",
    )
    console.log(keys.map(({ token }) => token).join())
  },
}

load("@medusajs/framework/utils").loadEnv("production", process.cwd())
commands[process.argv[2]]().then(
  () => process.exit(0),
  (error) => {
    console.error(error.message)
    process.exit(1)
  },
)
