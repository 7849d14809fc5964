// The parts of Medusa by which migrations are found, planned and run, in the shape that 2.5 and 2.21 have in common: the same names in
// the same places, records in the same tables. Everything else of Medusa is left out. conftest.py puts it under Medusa's names.
//
// An application is a folder with src/modules/<module>/{index.js, migrations/*.js}, src/migration-scripts/*.js and links.json:
// [{table, sql}].

const fs = require("node:fs")
const { join, resolve } = require("node:path")
const { Client } = require("pg")

const query = async (sql, values) => {
  const client = new Client({ connectionString: process.env.DATABASE_URL })
  client.on("error", () => {})
  await client.connect()
  try {
    return (await client.query(sql, values)).rows
  } finally {
    await client.end()
  }
}

class Migration {
  queries = []
  constructor(driver, config) {
    this.driver = driver
    this.config = config
  }
  addSql(sql) {
    this.queries.push(sql)
  }
  execute(sql) {
    return this.driver.execute(sql)
  }
}

// migration-up.js: one transaction for each migration, and a row when it is done
const migrationUp = {
  buildMigrationScript:
    ({ moduleName, pathToMigrations }) =>
    async () => {
      await query(
        "create table if not exists mikro_orm_migrations (id serial primary key, name varchar(255), executed_at timestamptz default now())",
      )
      const done = new Set((await query("select name from mikro_orm_migrations")).map(({ name }) => name))
      console.log(`MODULE: ${moduleName}`)
      for (const file of fs.existsSync(pathToMigrations) ? fs.readdirSync(pathToMigrations).sort() : []) {
        const name = file.replace(/\.js$/, "")
        if (done.has(name)) continue
        console.log(`  ● Migrating ${name}`)
        const [Class] = Object.values(require(join(pathToMigrations, file)))
        const migration = new Class({ execute: query })
        await migration.up()
        await query(["begin", ...migration.queries, "commit"].join(";\n"))
        await query("insert into mikro_orm_migrations (name) values ($1)", [name])
        console.log(`  ✔ Migrated ${name}`)
      }
      return []
    },
}

const MedusaModule = {
  async migrateUp({ moduleKey, modulePath }) {
    const { runMigrations } = require(modulePath)
    if (runMigrations) return runMigrations()
    return migrationUp.buildMigrationScript({ moduleName: moduleKey, pathToMigrations: join(modulePath, "migrations") })()
  },
}

class Planner {
  async ensureMigrationsTable() {
    await query(
      "create table if not exists link_module_migrations (table_name varchar(255) primary key, link_descriptor jsonb default '{}')",
    )
  }
  async ensureMigrationsTableUpToDate() {}
  async getTrackedLinksTables() {
    return query("select table_name from link_module_migrations")
  }
  async createPlan() {
    await this.ensureMigrationsTable()
    await this.ensureMigrationsTableUpToDate()
    const links = JSON.parse(fs.readFileSync("links.json", "utf8"))
    const tracked = (await this.getTrackedLinksTables()).map(({ table_name }) => table_name)
    return [
      ...links.map(({ table, sql }) => ({ action: tracked.includes(table) ? "noop" : "create", tableName: table, sql })),
      ...tracked
        .filter((name) => !links.some(({ table }) => table === name))
        .map((tableName) => ({ action: "delete", tableName })),
    ]
  }
  async executePlan(actions) {
    for (const { action, tableName, sql } of actions) {
      await query(action === "create" ? sql : `drop table "${tableName}"`)
      if (action === "create") await query("insert into link_module_migrations (table_name) values ($1)", [tableName])
      else await query("delete from link_module_migrations where table_name = $1", [tableName])
    }
  }
}

class MedusaAppLoader {
  async runModulesMigrations() {
    for (const name of fs.readdirSync("src/modules").sort()) {
      await MedusaModule.migrateUp({ moduleKey: name, modulePath: resolve("src/modules", name), options: {} })
    }
  }
  async getLinksExecutionPlanner() {
    return new Planner()
  }
}

// db:migrate. The scripts' part has its own process in Medusa, whose exit status is lost.
async function migrate(args) {
  const loader = new MedusaAppLoader()
  await loader.runModulesMigrations()
  const planner = await loader.getLinksExecutionPlanner()
  const plan = await planner.createPlan()
  await planner.executePlan(
    plan.filter(({ action }) => action === "create" || (action === "delete" && args.includes("--execute-all-links"))),
  )
  await query("create table if not exists script_migrations (script_name varchar(255) unique, finished_at timestamptz)")
  const known = new Set((await query("select script_name from script_migrations")).map(({ script_name }) => script_name))
  for (const file of fs.existsSync("src/migration-scripts") ? fs.readdirSync("src/migration-scripts") : []) {
    if (known.has(file) || require(resolve("src/migration-scripts", file)).off) continue
    await query("insert into script_migrations values ($1)", [file])
    try {
      await require(resolve("src/migration-scripts", file)).default(query)
    } catch (error) {
      console.error(error.message)
      return
    }
    await query("update script_migrations set finished_at = now() where script_name = $1", [file])
  }
}

module.exports = {
  migrate,
  migrationUp,
  framework: { MedusaAppLoader },
  links: {
    LinkLoader: class {
      async load() {}
    },
  },
  migrations: { Migration },
  sdk: { MedusaModule },
  loaders: {
    initializeContainer: async () => ({ resolve: () => ({}) }),
  },
  utils: {
    loadEnv() {},
    isFileDisabled: (path) => Boolean(require(path).off), // in Medusa, by defineFileConfig() when it is loaded
    ContainerRegistrationKeys: {},
    ModulesSdkUtils: {
      get buildMigrationScript() {
        return migrationUp.buildMigrationScript
      },
    },
    getResolvedPlugins: async (directory) => [{ resolve: join(directory, "src") }],
    mergePluginModules() {},
  },
}
