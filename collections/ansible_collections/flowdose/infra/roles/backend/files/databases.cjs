// Asks the databases of the Medusa application in the working directory, with its own drivers, its own .env, and seconds of
// patience. `check`: both connections, encrypted and verified. `key`: prints a publishable key, if there is one.
// With `admin`, the URL of an administrator of PostgreSQL, set before this text: `own` has the user of DATABASE_URL own the
// database, and prints what it did for that; `unused NAME...` waits until none of these users is connected.
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

// Gives `use` a function that asks PostgreSQL, at the URL `url`.
async function postgresql(url, use) {
  const { Client } = framework("pg")
  const options = new URL(url).searchParams
  if (options.get("sslmode") !== "verify-full") {
    throw new Error("DATABASE_URL must say sslmode=verify-full and sslrootcert=FILE, or nobody knows who answers")
  }
  const client = new Client({ connectionString: url, connectionTimeoutMillis: SECONDS * 1000, query_timeout: SECONDS * 1000 })
  client.on("error", () => {})
  try {
    await client.connect()
    return await use(async (question, values) => (await client.query(question, values)).rows)
  } catch (error) {
    throw new Error(`PostgreSQL at ${address(url)}: ${explain(error, options.get("sslrootcert"))}`)
  } finally {
    client.end().catch(() => {})
  }
}

const quoted = (name) => `"${name.replaceAll('"', '""')}"`

// What is in a database, but not of an extension, and belongs to somebody whose it may be taken from, in the words of ALTER.
const FOREIGN = `
  with ours as (select oid from pg_namespace where nspname not in ('pg_catalog', 'information_schema') and nspname not like 'pg\\_%'),
  things as (
    select 'pg_class'::regclass as catalogue, c.oid, relowner as owner,
           case relkind when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence' when 'f' then 'foreign table'
           when 'c' then 'type' else 'table' end as kind, c.oid::regclass::text as name
    from pg_class c where relnamespace in (select oid from ours) and relkind in ('r', 'p', 'v', 'm', 'f', 'c', 'S')
    and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype in ('a', 'i') and relkind = 'S')
    union all
    select 'pg_type'::regclass, oid, typowner, 'type', oid::regtype::text from pg_type
    where typnamespace in (select oid from ours) and typtype in ('e', 'd', 'r')
    union all
    select 'pg_proc'::regclass, oid, proowner, 'routine', oid::regprocedure::text from pg_proc where pronamespace in (select oid from ours)
    union all
    select 'pg_namespace'::regclass, oid, nspowner, 'schema', quote_ident(nspname) from pg_namespace
    where oid in (select oid from ours) and nspname <> 'public')
  select kind || ' ' || name as thing from things
  where owner <> $1::regrole and pg_has_role(owner, 'usage')
  and not exists (select from pg_depend d where d.classid = catalogue and d.objid = things.oid and d.deptype = 'e')
  order by 1`

// One lock at a time, and not for long: those who come after wait for whoever waits for one.
async function take(ask, thing, owner) {
  for (let attempt = 1; ; attempt++) {
    try {
      await ask(`alter ${thing} owner to ${owner}`)
      return
    } catch (error) {
      if (error.code !== "55P03" || attempt === 10) throw error
    }
  }
}

const USERS = `
  select usename as name, count(*)::int as sessions, coalesce(string_agg(distinct host(client_addr), ', '), 'no address') as addresses
  from pg_stat_activity where usename = any($1) group by 1 order by 1`

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
    const results = await Promise.allSettled([postgresql(process.env.DATABASE_URL, (ask) => ask("select 1")), valkey()])
    const problems = results.filter(({ status }) => status === "rejected").map(({ reason }) => reason.message)
    if (problems.length) throw new Error(problems.join("\n"))
  },
  async key() {
    const keys = await postgresql(process.env.DATABASE_URL, (ask) =>
      ask(
        "select token from api_key where type = 'publishable' and revoked_at is null and deleted_at is null order by created_at limit 1",
      ),
    )
    console.log(keys.map(({ token }) => token).join())
  },
  // Users come and go with their passwords. What they make belongs to a role that stays, and as which their sessions begin.
  // An application that was given another server, or the administrator's name, is left as it is.
  async own() {
    const done = []
    const { username, pathname } = new URL(process.env.DATABASE_URL)
    const user = decodeURIComponent(username)
    const administrator = decodeURIComponent(new URL(admin).username)
    const database = decodeURIComponent(pathname.slice(1))
    const role = `${database}_owner`
    const owner = quoted(role)
    if (user === administrator || address(process.env.DATABASE_URL) !== address(admin)) return console.log("[]")
    await postgresql(admin, async (ask) => {
      const act = async (statement) => {
        await ask(statement)
        done.push(statement)
      }
      await ask("set lock_timeout = '1s'")
      if (!(await ask("select from pg_roles where rolname = $1", [role])).length) await act(`create role ${owner} nologin`)
      for (const name of [administrator, user]) {
        const [{ member }] = await ask("select pg_has_role($1, $2, 'usage') as member", [name, role])
        if (!member) await act(`grant ${owner} to ${quoted(name)}`)
      }
      const [{ foreign }] = await ask("select datdba <> $1::regrole as foreign from pg_database where datname = current_database()", [owner])
      if (foreign) await act(`alter database ${quoted(database)} owner to ${owner}`)
      const things = await ask(FOREIGN, [owner])
      for (const { thing } of things) await take(ask, thing, owner)
      if (things.length) done.push(`${things.length} tables, types and routines belong to ${owner}`)
    })
    await postgresql(process.env.DATABASE_URL, async (ask) => {
      const [{ current }] = await ask("select current_user as current")
      if (current === role) return
      const statement = `alter role ${quoted(user)} in database ${quoted(database)} set role to ${owner}`
      await ask(statement)
      done.push(statement)
    })
    console.log(JSON.stringify(done))
  },
  async unused(...users) {
    await postgresql(admin, async (ask) => {
      for (let second = 0; ; second++) {
        const left = await ask(USERS, [users])
        if (!left.length) return
        if (second === 60) {
          const who = left.map(({ name, sessions, addresses }) => `${name}, ${sessions} times, from ${addresses}`)
          throw new Error(`still connected after ${second} s: ${who.join("; ")}`)
        }
        await new Promise((resolve) => setTimeout(resolve, 1000))
      }
    })
  },
}

load("@medusajs/framework/utils").loadEnv("production", process.cwd())
commands[process.argv[2]](...process.argv.slice(3)).then(
  () => process.exit(0),
  (error) => {
    console.error(error.message)
    process.exit(1)
  },
)
