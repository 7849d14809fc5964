// Migrates the database of the Medusa application in the working directory, with its own drivers and its own .env, such that a
// person knows before what happens, and the release that serves can live with it. Read after statements.cjs.
//
//   pending {contract, patience}                        what db:migrate would do, and what would be lost; changes nothing
//   run {owner, command, expected, seconds, patience}   does it, alone in this database, within that many seconds
//   unknown {target, release, log}                      what the database has that the release in `target` does not know
//
// Each prints one line of JSON. Exit status 1 and a sentence on stderr when that is not possible, 2 when another
// migration of the database is running.

const { spawn } = require("node:child_process")
const fs = require("node:fs")
const { createRequire } = require("node:module")
const { dirname, join } = require("node:path")
const { setTimeout: sleep } = require("node:timers/promises")

const load = createRequire(`${process.cwd()}/package.json`)
const NAME = "flowdose migrate" // how the sessions of this program and of what it runs begin, in pg_stat_activity
const LOCK = "hashtext('flowdose migrate')"
const LOOKING = "-c default_transaction_read_only=on -c statement_timeout=30000 -c lock_timeout=5000"
const LOCK_SECONDS = 10 // whoever waits for a lock of a table makes everybody wait who comes after
const BOOKKEEPING = ["mikro_orm_migrations", "link_module_migrations", "script_migrations"]
// A shop that was ever used has rows in one of these: Medusa's first start makes its store.
const USED = ["store", "user", "auth_identity", "region", "product", "customer", "order"]

async function connect(name) {
  const { Client } = createRequire(load.resolve("@medusajs/framework/utils"))("pg")
  const client = new Client({ connectionString: process.env.DATABASE_URL, application_name: name, connectionTimeoutMillis: 5000 })
  client.on("error", () => {})
  await client.connect()
  // Sessions may begin as the role that owns the database (databases.cjs); only the user itself may end its other sessions.
  await client.query("set role none")
  return {
    ask: async (sql, values) => (await client.query(sql, values)).rows,
    gone: (tell) => client.once("end", tell),
  }
}

const quoted = (name) => `"${name.replaceAll('"', '""')}"`
const OWN = "n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg\\_%'"

// The rows of all tables of that name; Medusa keeps its own in the schema that the application names.
async function rows(ask, table, columns) {
  const schemas = await ask(
    `select n.nspname from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relname = $1 and c.relkind = 'r' and ${OWN}`,
    [table],
  )
  const found = []
  for (const { nspname } of schemas) found.push(...(await ask(`select ${columns} from ${quoted(nspname)}.${quoted(table)}`)))
  return found
}

// The database as losses() wants it.
async function inventory(ask) {
  const tables = {}
  const columns = await ask(`
    select c.relname, a.attname, format_type(a.atttypid, a.atttypmod) as type, a.attnotnull as required,
           a.atthasdef or a.attidentity <> '' as filled
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relkind in ('r', 'p', 'f', 'v', 'm') and ${OWN}`)
  for (const { relname, attname, type, required, filled } of columns) {
    tables[relname] ??= {}
    if (attname) tables[relname][attname] = { type, required, filled }
  }
  const keys = await ask(`
    select i.relname as name, c.relname as table
    from pg_index x join pg_class i on i.oid = x.indexrelid join pg_class c on c.oid = x.indrelid join pg_namespace n on n.oid = c.relnamespace
    where x.indisprimary and ${OWN}`)
  const functions = await ask(`
    select p.proname as name from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where ${OWN} and not exists (select 1 from pg_depend where objid = p.oid and deptype = 'e')`)
  const others = await ask(`
    select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind in ('S', 'c') and ${OWN}
    union select t.typname from pg_type t join pg_namespace n on n.oid = t.typnamespace where t.typtype in ('e', 'd', 'r') and ${OWN}
    union select n.nspname from pg_namespace n where ${OWN}
    union select extname from pg_extension`)
  return {
    tables,
    keys: Object.fromEntries(keys.map(({ name, table }) => [name, table])),
    functions: functions.map(({ name }) => name),
    others: others.map(({ name }) => name),
  }
}

// Whether there is anything to lose: not in an empty database, nor in one that was migrated, perhaps halfway, and never used.
async function used(ask, now, executed) {
  if (!Object.keys(now.tables).some((table) => !BOOKKEEPING.includes(table))) return false
  if (!executed.length) return true
  for (const table of USED) if ((await rows(ask, table, "1 as row")).length) return true
  return false
}

const isMigration = (file) => /\.(?:js|cjs|ts)$/.test(file) && !/\.d\.\w+$/.test(file)

function listed(folder) {
  return fs.existsSync(folder) ? fs.readdirSync(folder).filter(isMigration).sort() : []
}

const SUSPICIOUS =
  /\b(?:drop\s+(?:table|column|schema|type)|truncate|delete\s+from|rename\s+(?:to|column)|alter\s+(?:column\s+)?\S+\s+type)\b/i

// What a migration would run: its statements, and, where they depend on what it asks, why they are not the whole truth.
async function read(file, ask) {
  const Migration = Object.values(load(file)).find((item) => typeof item?.prototype?.up === "function")
  if (!Migration) throw new Error("it has no class with up()")
  const refuse = new Proxy(
    {},
    {
      get: (_, key) => {
        throw new Error(`it uses more than SQL (${String(key)})`)
      },
    },
  )
  const migration = new Migration(refuse, { get: () => undefined })
  const sqls = []
  let asked = false
  migration.addSql = (sql) => sqls.push(typeof sql === "string" ? sql : String(sql.sql ?? sql))
  migration.execute = async (sql, values = []) => {
    const text = typeof sql === "string" ? sql : String(sql)
    asked ||= /\b(?:select|returning)\b/i.test(text)
    if (!/^\s*(?:select|with)\b/i.test(text)) {
      sqls.push(text)
      return []
    }
    let count = 0
    return ask(
      text.replace(/\?/g, () => `$${(count += 1)}`),
      values,
    )
  }
  await migration.up()
  const source = fs.readFileSync(file, "utf8").replace(Migration.prototype.down?.toString(), "")
  if (asked && SUSPICIOUS.test(source)) throw new Error("what it does depends on what it reads from the database")
  return sqls
}

// Has Medusa itself say which modules migrate, and from which folders, by taking the place of what would run them.
async function modules(utils, sdk, unknown) {
  const { ModulesSdkUtils } = utils
  const found = []
  const source = join(
    dirname(createRequire(load.resolve("@medusajs/framework/utils")).resolve("@medusajs/utils")),
    "modules-sdk/migration-scripts/migration-up.js",
  )
  const collect =
    ({ moduleName, pathToMigrations }) =>
    async () => {
      found.push({ module: moduleName, folder: pathToMigrations })
      return []
    }
  load(source).buildMigrationScript = collect
  if (ModulesSdkUtils.buildMigrationScript !== collect)
    throw new Error("this version of Medusa builds its migrations in another way")
  const { migrateUp } = sdk.MedusaModule
  sdk.MedusaModule.migrateUp = async (options) => {
    const parts = [
      options.moduleExports ?? options.modulePath,
      ...(options.options?.providers ?? []).map(({ resolve }) => resolve),
    ]
    const custom = parts.filter(Boolean).some((part) => {
      const exported = typeof part === "string" ? load(part) : part
      return (exported.default ?? exported).runMigrations
    })
    if (!custom) return migrateUp.call(sdk.MedusaModule, options)
    unknown.push(`module ${options.moduleKey} migrates in a way of its own`)
    return []
  }
  return found
}

async function pending({ contract, patience }) {
  process.env.PGOPTIONS = LOOKING // the database itself sees to it that nothing changes
  process.env.MEDUSA_WORKER_MODE ??= "server"
  const directory = process.cwd()
  const utils = load("@medusajs/framework/utils")
  const sdk = load("@medusajs/framework/modules-sdk")
  const { ask } = await connect(`${NAME} pending`)
  await alone(ask, [], patience)
  await ask(`select pg_advisory_unlock(${LOCK})`)
  const unknown = []
  const found = await modules(utils, sdk, unknown)

  const container = await load("@medusajs/medusa/loaders/index").initializeContainer(directory)
  const config = container.resolve(utils.ContainerRegistrationKeys.CONFIG_MODULE)
  const getResolvedPlugins =
    utils.getResolvedPlugins ?? load("@medusajs/medusa/loaders/helpers/resolve-plugins").getResolvedPlugins
  const plugins = await getResolvedPlugins(directory, config, true)
  utils.mergePluginModules(config, plugins, directory)
  const { LinkLoader } = load("@medusajs/framework/links")
  const logger = container.resolve(utils.ContainerRegistrationKeys.LOGGER)
  await new LinkLoader(
    plugins.map(({ resolve }) => join(resolve, "links")),
    logger,
  ).load()
  const application = new (load("@medusajs/framework").MedusaAppLoader)()
  await application.runModulesMigrations({ action: "run" })

  const [now, executed] = [await inventory(ask), await rows(ask, "mikro_orm_migrations", "name")]
  const something = await used(ask, now, executed)
  const there = new Inventory(now) // and what the migrations before one make
  const lose = (sqls) => (something ? losses(sqls, now, there) : [])
  const done = new Set(executed.map(({ name }) => name))
  const migrations = []
  for (const { module, folder } of found) {
    for (const file of listed(folder)) {
      const name = file.replace(/\.\w+$/, "")
      if (done.has(name) || migrations.some((other) => other.name === name) || isOff(utils, join(folder, file))) continue
      const lost = await read(join(folder, file), ask).then(lose, ({ message }) =>
        something ? [{ statement: "up()", reason: `cannot be read: ${message}` }] : [],
      )
      migrations.push({ module, name, losses: lost })
    }
  }
  const scripts = await pendingScripts(ask, utils, [
    join(dirname(load.resolve("@medusajs/medusa/package.json")), "dist/migration-scripts"),
    ...plugins.map(({ resolve }) => join(resolve, "migration-scripts")),
  ])
  const plan = await plannedLinks(await application.getLinksExecutionPlanner(), lose)
  if (sdk.MedusaModule.getSearchIndexes) {
    await load("@medusajs/medusa/loaders/search").loadSearchIndexes({ plugins, configModule: config, logger })
    if ((await rows(ask, "search_index", "id")).length || sdk.MedusaModule.getSearchIndexes().length)
      unknown.push("indexes of the search module")
  }
  return report({ migrations, scripts, links: plan, unknown, contract, something })
}

// Whether a file is one that Medusa skips, for a feature that is not switched on. It says so itself when it is loaded.
function isOff(utils, file) {
  try {
    load(file)
  } catch {
    return false // which whoever needs it will find, too
  }
  return Boolean(utils.isFileDisabled?.(file) || utils.isFileDisabled?.(fs.realpathSync(file)))
}

async function pendingScripts(ask, utils, folders) {
  const done = await rows(ask, "script_migrations", "script_name, finished_at")
  const finished = new Set(done.filter(({ finished_at }) => finished_at).map(({ script_name }) => script_name))
  return folders.flatMap((folder) =>
    listed(folder)
      .filter((file) => !/^index\./.test(file) && !finished.has(file))
      .filter((file) => !isOff(utils, join(folder, file))),
  )
}

// Medusa's planner renames and makes tables while it plans.
async function plannedLinks(planner, lose) {
  const renamed = []
  planner.ensureMigrationsTable = async () => {}
  planner.ensureMigrationsTableUpToDate = async () => {}
  planner.renameOldTable = async (_, from, to) =>
    renamed.push({ action: "rename", table: from, losses: lose([`alter table ${quoted(from)} rename to ${quoted(to)}`]) })
  const { getTrackedLinksTables } = planner
  planner.getTrackedLinksTables = (orm) =>
    getTrackedLinksTables.call(planner, orm).catch((error) => {
      if (error.code === "42P01") return []
      throw error
    })
  const actions = await planner.createPlan()
  return [
    ...renamed,
    ...actions
      .filter(({ action }) => action !== "noop")
      .map(({ action, tableName, sql }) => ({
        action,
        table: tableName,
        losses: action === "delete" ? lose([`drop table ${quoted(tableName)}`]) : lose(sql ? [sql] : []),
      })),
  ]
}

// What Medusa leaves as it is unless it is told to do everything.
const isLeft = ({ action }) => action === "delete" || action === "notify"

function report({ migrations, scripts, links, unknown, contract, something }) {
  const done = links.filter((link) => contract || !isLeft(link))
  const told = (of, found) => found.map(({ reason, statement }) => ({ of, text: `${of} ${reason}: ${statement}` }))
  const lost = [
    ...migrations.flatMap(({ module, name, losses: found }) => told(`${module} ${name}`, found)),
    ...done.flatMap(({ table, losses: found }) => told(`link ${table}`, found)),
    ...unknown
      .filter((text) => something && text.startsWith("module "))
      .flatMap((text) => told(text, [{ reason: "cannot be read", statement: "runMigrations()" }])),
  ]
  const byModule = [...new Set(migrations.map(({ module }) => module))].map((module) => {
    const names = migrations.filter((item) => item.module === module).map(({ name }) => name)
    return `${module}: ${names.length > 4 ? `${names.length} migrations, ${names[0]} to ${names.at(-1)}` : names.join(", ")}`
  })
  const message = [
    ...byModule,
    ...done.map(({ action, table }) => `link table ${table}: ${action}`),
    ...links
      .filter((link) => !done.includes(link))
      .map(
        ({ action, table }) =>
          `link table ${table}: ${action === "delete" ? "no longer declared" : "declared with other columns"}; it stays as it is`,
      ),
    ...scripts.map((name) => `script ${name}`),
    ...unknown.map((text) => `not known before it runs: ${text}`),
  ]
  return {
    needed: migrations.length + scripts.length + done.length + unknown.length > 0,
    everything: contract && links.some(isLeft),
    expected: { migrations: migrations.map(({ name }) => name), scripts },
    losses: lost,
    message,
    error: "",
    busy: false,
  }
}

// Sessions of this program, or of what it runs, that are not this run's.
const OTHERS = `
  select pid, application_name as name, to_char(backend_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') as since
  from pg_stat_activity
  where datname = current_database() and application_name like $1 || ' %' and application_name <> all($2) order by backend_start`

async function alone(ask, names, patience) {
  const deadline = Date.now() + patience * 1000
  for (;;) {
    const others = await ask(OTHERS, [`${NAME} run`, names])
    if (!others.length && (await ask(`select pg_try_advisory_lock(${LOCK}) as ours`))[0].ours) return
    if (Date.now() > deadline) {
      const who = others.map(({ pid, name, since }) => `process ${pid} of PostgreSQL, "${name}", since ${since} UTC`)
      const error = new Error(
        `another migration of this database is running, which was waited for ${patience} s: ${who.join("; ") || "its session has ended meanwhile"}. ` +
          "Nothing is migrated. Let it end, and run again; if nobody is behind it, end it with: select pg_terminate_backend(PID)",
      )
      throw Object.assign(error, { busy: true })
    }
    await sleep(1000)
  }
}

const BLOCKED = `
  select b.pid, b.application_name as name, b.state, to_char(b.xact_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') as since
  from pg_stat_activity a, unnest(pg_blocking_pids(a.pid)) blocker join pg_stat_activity b on b.pid = blocker
  where a.application_name = $1 and b.application_name <> $1`

// A line as it is, or the message of a line of JSON.
function readable(line) {
  try {
    return String(JSON.parse(line).message ?? line).trimEnd()
  } catch {
    return line.trimEnd()
  }
}

async function run({ owner, command, expected, seconds, patience }) {
  // 63 bytes of ASCII are what PostgreSQL keeps
  const label = `${process.pid}-${Date.now().toString(36)} ${owner}`.replace(/[^ -~]/g, "?")
  const [own, child] = [`${NAME} run lock ${label}`.slice(0, 63), `${NAME} run ${label}`.slice(0, 63)]
  const { ask, gone } = await connect(own)
  await alone(ask, [own, child], patience)
  const [{ before }] = await ask(`select to_char(now() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as before`)
  const executed = async () => (await rows(ask, "mikro_orm_migrations", "name")).map(({ name }) => name)
  const already = new Set(await executed())
  // Older versions of Medusa never run a script again that was killed.
  for (const { nspname } of await ask(
    "select n.nspname from pg_class c join pg_namespace n on n.oid = c.relnamespace where relname = 'script_migrations'",
  )) {
    await ask(`delete from ${quoted(nspname)}.script_migrations where finished_at is null`)
  }

  const lines = []
  let blocker
  let ended
  const watched = spawn(command[0], command.slice(1), {
    detached: true, // a group of its own, which can be ended as a whole
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, PGAPPNAME: child, PGOPTIONS: `-c lock_timeout=${LOCK_SECONDS}s` },
  })
  for (const stream of [watched.stdout, watched.stderr]) {
    stream.setEncoding("utf8").on("data", (text) => {
      lines.push(...text.split("\n").map(readable).filter(Boolean))
      lines.splice(0, lines.length - 2000)
    })
  }
  const over = new Promise((resolve) => {
    watched.once("error", (error) => resolve(`${command[0]} cannot be started: ${error.message}`))
    watched.once("close", (code, signal) => resolve(code === 0 ? "" : `${command.at(-1)} ended with ${signal ?? code}`))
  })
  const stop = new Promise((resolve) => {
    setTimeout(() => resolve(`it was not done within ${seconds} s`), seconds * 1000).unref()
    gone(() => resolve("the session that held the lock was ended by the database"))
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
      process.once(signal, () => resolve(`this program was ended by ${signal}`))
  })
  const end = Promise.race([over, stop])
  const watch = (async () => {
    while (ended === undefined) {
      blocker = (await ask(BLOCKED, [child]).catch(() => []))[0] ?? blocker
      await Promise.race([sleep(1000), end])
    }
  })()
  ended = await end
  if (watched.exitCode === null && watched.signalCode === null) await kill(watched, over)
  await watch
  // What is still there of it ends with its sessions, also where the first one is lost.
  const after = await connect(own).catch(({ message }) => {
    throw new Error(
      `a migration was begun at ${before} and ended (${ended || "as it should"}), and the database does not say how far it came: ${message}`,
    )
  })
  await after.ask("select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1", [child])
  const applied = (await rows(after.ask, "mikro_orm_migrations", "id, name")).sort((a, b) => a.id - b.id)
  const done = new Set(applied.map(({ name }) => name))
  const scripts = await rows(after.ask, "script_migrations", "script_name, finished_at")
  const finished = new Set(scripts.filter(({ finished_at }) => finished_at).map(({ script_name }) => script_name))
  const beginning = lines.findLastIndex((line) => /● Migrating \w/.test(line))
  const began = /● Migrating (\w+)/.exec(lines[beginning])?.[1]
  // Medusa's own exit status does not tell.
  const missing = [
    ...expected.migrations.filter((name) => !done.has(name)),
    ...expected.scripts.filter((name) => !finished.has(name)),
    ...scripts
      .filter(({ finished_at, script_name }) => !finished_at && !expected.scripts.includes(script_name))
      .map(({ script_name }) => script_name),
  ]
  if (!ended && missing.length) ended = `not done: ${missing.join(", ")}`
  const stuck = Boolean(ended && began && !done.has(began))
  return {
    before,
    applied: applied.map(({ name }) => name).filter((name) => !already.has(name)),
    failed: ended,
    migration: stuck ? began : "",
    blocker:
      blocker && (ended.startsWith("it was not") || lines.some((line) => line.includes("lock timeout")))
        ? `process ${blocker.pid} of PostgreSQL, "${blocker.name}", ${blocker.state}, in a transaction since ${blocker.since} UTC`
        : "",
    lines: stuck ? lines.slice(beginning, beginning + 25) : lines.slice(-20),
  }
}

async function kill(watched, over) {
  for (const signal of ["SIGTERM", "SIGKILL"]) {
    try {
      process.kill(-watched.pid, signal)
    } catch (error) {
      if (error.code !== "ESRCH") throw error
    }
    await Promise.race([over, sleep(5000)])
  }
}

// The folders named `migrations` below one, as names of migrations and their files.
function migrationsBelow(folder, found = new Map()) {
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    if (!entry.isDirectory() || entry.name === "node_modules") continue
    const path = join(folder, entry.name)
    if (entry.name !== "migrations") migrationsBelow(path, found)
    else for (const file of listed(path)) found.set(file.replace(/\.\w+$/, ""), join(path, file))
  }
  return found
}

// All that a release's files know: its own, and those of the packages that have to do with Medusa.
function migrationsOf(release) {
  const found = migrationsBelow(release)
  for (const packages of packageFolders(release)) {
    const names = fs
      .readdirSync(packages)
      .flatMap((name) => (name.startsWith("@") ? fs.readdirSync(join(packages, name)).map((inner) => join(name, inner)) : [name]))
    for (const name of names) {
      const manifest = join(packages, name, "package.json")
      if (fs.existsSync(manifest) && fs.readFileSync(manifest, "utf8").includes('"@medusajs/'))
        migrationsBelow(join(packages, name), found)
    }
  }
  return found
}

// Where Node.js looks for packages from a folder, above it if it is a workspace, and where pnpm has those that nobody names.
function packageFolders(folder) {
  const inside = [join(folder, "node_modules"), join(folder, "node_modules/.pnpm/node_modules")]
  const above = dirname(folder)
  return [...inside.filter((path) => fs.existsSync(path)), ...(above === folder ? [] : packageFolders(above))]
}

// When a release was made. The application is in a folder of it, if it is a workspace.
function madeAt(folder) {
  const manifest = join(folder, ".release.json")
  return fs.existsSync(manifest) || dirname(folder) === folder ? fs.statSync(manifest).mtime : madeAt(dirname(folder))
}

function logged(lines) {
  return lines.flatMap((line) => {
    try {
      const { event, time, detail } = JSON.parse(line)
      return event === "migrate" ? [{ time, ...detail }] : []
    } catch {
      return [] // what a power cut left of a line
    }
  })
}

async function unknown({ target, release, log }) {
  process.env.PGOPTIONS = LOOKING
  const { ask } = await connect(`${NAME} unknown`)
  const known = migrationsOf(target)
  const executed = await rows(
    ask,
    "mikro_orm_migrations",
    `id, name, to_char(executed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as at`,
  )
  const made = madeAt(target)
  // What was there when the target was made, it has lived with; a minute is for clocks that differ.
  const foreign = executed
    .sort((a, b) => a.id - b.id)
    .filter(({ name, at }) => name !== "Noop" && !known.has(name) && Date.parse(at) > made - 60_000)
  const entries = logged(log)
  const files = foreign.length ? migrationsOf(release) : new Map()
  const there = new Inventory(null)
  const found = []
  for (const { name, at } of foreign) {
    const entry = entries.find(({ applied }) => applied.includes(name))
    let lost = [`${name} is in no release on this host`]
    if (entry?.looked_at.includes(name)) lost = entry.losses.filter(({ of }) => of.endsWith(` ${name}`)).map(({ text }) => text)
    else if (files.has(name)) {
      const sqls = await read(files.get(name), ask).catch(({ message }) => message)
      lost = Array.isArray(sqls)
        ? losses(sqls, null, there).map(({ reason, statement }) => `${name} ${reason}: ${statement}`)
        : [`${name} cannot be read: ${sqls}`]
    }
    found.push({ name, before: entry?.before ?? at, lost })
  }
  // The target's own links are not in its files. One that was dropped since it was made may be its.
  const tables = new Set((await ask("select relname from pg_class where relkind = 'r'")).map(({ relname }) => relname))
  for (const { before, losses: lost } of entries.filter(({ time }) => new Date(time) > made)) {
    const links = lost.filter(({ of, text }) => of.startsWith("link ") && !(tables.has(of.slice(5)) && / the table /.test(text)))
    if (links.length) found.push({ before, lost: links.map(({ text }) => text) })
  }
  const refused = found.filter(({ lost }) => lost.length)
  return {
    additive: found.filter(({ lost }) => !lost.length).map(({ name }) => name),
    refused: refused.flatMap(({ lost }) => lost),
    before: refused.map(({ before }) => before).sort()[0] ?? "",
    // read along with it, because loading Medusa takes a second
    key: (await rows(ask, "api_key", "token, type, revoked_at, deleted_at"))
      .filter(({ type, revoked_at, deleted_at }) => type === "publishable" && !revoked_at && !deleted_at)
      .map(({ token }) => token)[0] ?? "",
  }
}

const say = process.stdout.write.bind(process.stdout)
process.stdout.write = process.stderr.write.bind(process.stderr) // where Medusa talks
load("@medusajs/framework/utils").loadEnv("production", process.cwd())
const commands = { pending, run, unknown }
commands[process.argv[2]](JSON.parse(process.argv[3])).then(
  (answer) => say(`${JSON.stringify(answer)}\n`, () => process.exit(0)),
  (error) => {
    console.error(error.message)
    process.exit(error.busy ? 2 : 1)
  },
)
