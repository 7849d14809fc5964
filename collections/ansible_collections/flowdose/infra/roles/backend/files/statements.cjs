// What SQL takes away from a database, by reading it. Only what is there now can be lost: a table that a migration makes, and the
// next one changes, is nobody's yet.
//
//   losses([sql], now, there) -> [{statement, reason}], empty when the release that serves can live with all of it, before and after
//
// `now`: {tables: {table: {column: {type, required, filled}}}, keys: {name of a primary key: table}, functions: [name],
// others: [name of a sequence, type, schema, extension]}; names without their schema, `filled` for a column with a default.
// null when that is not known any more: then everything counts as there, but what these statements made themselves, and those
// before them that were read with the same `there`.
//
// What cannot be read counts as a loss. What is not one: indexes and constraints but primary keys, defaults, more
// room in a type, and updates of rows.

const LEXEMES = [
  ["space", /\s+|--[^\n]*/y],
  ["string", /e'(?:[^'\\]|''|\\[^])*'/iy],
  ["string", /(?:[bxn]|u&)?'(?:[^']|'')*'/iy],
  ["string", /\$((?:[a-z_\x80-\uffff][\w\x80-\uffff]*)?)\$[^]*?\$\1\$/iy],
  ["name", /"(?:[^"]|"")+"/y],
  ["word", /[a-z_\x80-\uffff][\w$\x80-\uffff]*/iy],
  ["number", /\d[\w.]*/y],
  ["mark", /::|[^'"]/y],
]

// Comments nest, which no expression can follow. Returns where it ends.
function comment(sql, from) {
  let depth = 0
  for (let at = from; at < sql.length - 1; at += 1) {
    const two = sql.slice(at, at + 2)
    if (two === "/*") depth += 1
    if (two === "*/") depth -= 1
    if (two === "/*" || two === "*/") at += 1
    if (depth === 0) return at + 1
  }
  throw new Error("a comment does not end")
}

function lex(sql) {
  const tokens = []
  for (let at = 0; at < sql.length;) {
    if (sql.startsWith("/*", at)) {
      at = comment(sql, at)
      continue
    }
    const [kind, text] = LEXEMES.map(([name, pattern]) => {
      pattern.lastIndex = at
      return [name, pattern.exec(sql)?.[0]]
    }).find(([, found]) => found) ?? ["mark"]
    if (!text) throw new Error("a quote does not end")
    if (/^u&"/i.test(sql.slice(at, at + 3))) throw new Error("a name is written in Unicode escapes")
    if (kind !== "space") {
      const value = kind === "name" ? text.slice(1, -1).replaceAll('""', '"') : text.toLowerCase()
      tokens.push({ kind, value, at, end: at + text.length })
    }
    at += text.length
  }
  return tokens
}

// Splits at a mark that is in no parentheses.
function split(tokens, mark) {
  const parts = [[]]
  let depth = 0
  for (const token of tokens) {
    if (token.kind === "mark" && "([".includes(token.value)) depth += 1
    if (token.kind === "mark" && ")]".includes(token.value)) depth -= 1
    if (depth === 0 && token.kind === "mark" && token.value === mark) parts.push([])
    else parts.at(-1).push(token)
  }
  return parts.filter((part) => part.length)
}

class Reader {
  constructor(tokens) {
    this.tokens = tokens
    this.at = 0
  }
  // whether the next words are these; with more than one way to say it, the first that fits is taken
  take(...ways) {
    return ways.some((way) => {
      const words = way.split(" ")
      const fits = words.every((word, index) => {
        const token = this.tokens[this.at + index]
        return token && token.kind !== "name" && token.kind !== "string" && token.value === word
      })
      if (fits) this.at += words.length
      return fits
    })
  }
  // a name, without its schema
  name() {
    let value = this.tokens[this.at++]?.value
    while (this.take(".")) value = this.tokens[this.at++]?.value
    if (value === undefined) throw new Error("a name is missing")
    return value
  }
  rest() {
    return this.tokens.slice(this.at)
  }
  has(...words) {
    const reader = new Reader(this.tokens)
    for (reader.at = this.at; reader.at < this.tokens.length; reader.at += 1) if (reader.take(...words)) return true
    return false
  }
}

const SYNONYMS = {
  int: "integer",
  int4: "integer",
  int8: "bigint",
  int2: "smallint",
  bool: "boolean",
  varchar: "character varying",
  char: "character",
  decimal: "numeric",
  float4: "real",
  float8: "double precision",
}

// A type as PostgreSQL's format_type() says it.
function typeName(tokens) {
  const text = tokens
    .map(({ value }) => value)
    .join(" ")
    .replace(/ ?([()[\],.]) ?/g, "$1")
    .replace(/^(?:pg_catalog|public)\./, "")
  const zone = /^timestamp(tz)?(\(\d\))?( with time zone| without time zone)?$/.exec(text)
  if (zone) return `timestamp${zone[2] ?? ""} ${zone[1] || zone[3] === " with time zone" ? "with" : "without"} time zone`
  return text.replace(/^[a-z0-9]+/, (base) => SYNONYMS[base] ?? base)
}

function roomier(before, after) {
  const [old, wanted] = [before, after].map((type) => /^character varying(?:\((\d+)\))?$/.exec(type))
  return Boolean(old) && (after === "text" || (Boolean(wanted) && Number(wanted[1] ?? Infinity) >= Number(old[1] ?? Infinity)))
}

// What is there, as it is now or, when that is not known, as it must be assumed.
class Inventory {
  constructor(now) {
    this.now = now
    this.made = new Set()
    this.functions = new Set(now?.functions)
  }
  has(name) {
    return this.now ? Object.hasOwn(this.now.tables, name) || this.now.others.includes(name) : !this.made.has(name)
  }
  column(table, name) {
    if (!this.now) return this.made.has(`${table}.${name}`) ? undefined : { type: undefined, required: undefined, filled: false }
    const columns = this.now.tables[table]
    return columns && Object.hasOwn(columns, name) ? columns[name] : undefined
  }
  keyOf(name) {
    if (this.now) return this.now.keys[name]
    return name.endsWith("_pkey") ? name.slice(0, -"_pkey".length) : undefined
  }
}

function columnAction(reader, table, there) {
  const name = reader.name()
  const column = there.column(table, name)
  if (!column) return ""
  if (reader.take("type", "set data type")) {
    const end = reader.rest().findIndex(({ kind, value }) => kind === "word" && ["using", "collate"].includes(value))
    const tokens = end < 0 ? reader.rest() : reader.rest().slice(0, end)
    const type = typeName(tokens)
    if (type !== column.type && !roomier(column.type ?? "", type)) {
      return `changes the type of ${table}.${name}${column.type ? ` from ${column.type}` : ""} to ${type}`
    }
    if (end < 0) return ""
    const using = reader
      .rest()
      .slice(end + 1)
      .filter(({ kind, value }) => kind !== "mark" || !"()".includes(value))
    const [from, cast, ...as] = using
    const plain =
      from?.value === name &&
      (!cast || (cast.value === "::" && typeName(as) === typeName(tokens.filter(({ value }) => !"()".includes(value)))))
    return plain ? "" : `calculates ${table}.${name} anew`
  }
  if (
    reader.take(
      "drop not null",
      "set default",
      "set statistics",
      "set storage",
      "set compression",
      "set (",
      "reset",
      "add generated",
      "set generated",
    )
  )
    return ""
  if (reader.take("set not null")) {
    return column.required ? "" : `refuses rows without ${table}.${name}, which the release that serves may write`
  }
  if (reader.take("drop default")) {
    return column.required === false || (!column.filled && there.now)
      ? ""
      : `takes the default of ${table}.${name}, which the release that serves may rely on`
  }
  return `changes ${table}.${name} in an unknown way`
}

function tableAction(tokens, table, there, renewed) {
  const reader = new Reader(tokens)
  if (reader.take("add")) {
    if (reader.take("constraint", "primary key", "unique", "check", "foreign key", "exclude")) return ""
    reader.take("column")
    reader.take("if not exists")
    const name = reader.name()
    if (there.now && there.column(table, name)) return ""
    there.made.add(`${table}.${name}`)
    const required =
      reader.has("not null", "primary key") && !reader.has("default", "generated", "serial", "bigserial", "smallserial")
    return required ? `adds ${table}.${name}, which must be given, and the release that serves does not know it` : ""
  }
  if (reader.take("drop constraint")) {
    reader.take("if exists")
    const name = reader.name()
    const key = there.keyOf(name)
    return key && !renewed(key) ? `drops the primary key of ${key}` : ""
  }
  if (reader.take("drop")) {
    reader.take("column")
    reader.take("if exists")
    const name = reader.name()
    return there.column(table, name) ? `drops the column ${table}.${name}` : ""
  }
  if (reader.take("rename constraint", "alter constraint", "validate constraint", "owner to", "replica identity", "cluster on"))
    return ""
  if (reader.take("rename to")) return `renames the table ${table}`
  if (reader.take("rename")) {
    reader.take("column")
    const name = reader.name()
    return there.column(table, name) ? `renames the column ${table}.${name}` : ""
  }
  if (reader.take("alter")) {
    reader.take("column")
    return columnAction(reader, table, there)
  }
  if (reader.take("enable trigger", "disable trigger", "set (", "reset (", "set tablespace", "set logged", "attach partition"))
    return ""
  return `changes the table ${table} in an unknown way`
}

// What a statement may call: functions of the database's own can do anything.
function called(reader, there) {
  const { tokens } = reader
  const index = tokens.findIndex(
    ({ kind, value }, at) => (kind === "word" || kind === "name") && tokens[at + 1]?.value === "(" && there.functions.has(value),
  )
  return index < 0 ? "" : `calls ${tokens[index].value}(), and what that does is not looked into`
}

function deleted(reader, there) {
  for (reader.at = 0; reader.at < reader.tokens.length; reader.at += 1) {
    if (reader.take("delete from only", "delete from")) {
      const table = reader.name()
      if (there.has(table)) return `deletes rows of ${table}`
    }
  }
  return ""
}

const CREATED =
  /^(?:(?:or replace|global|local|temp|temporary|unlogged|unique|recursive|materialized|constraint|trusted) )*(table|index|view|sequence|type|domain|extension|schema|function|procedure|aggregate|trigger|policy|statistics|collation|text)\b/

function created(reader, there) {
  const words = reader
    .rest()
    .slice(0, 5)
    .filter(({ kind }) => kind === "word")
    .map(({ value }) => value)
    .join(" ")
  const kind = CREATED.exec(words)?.[1]
  if (!kind) return "creates something of an unknown kind"
  while (!reader.take(kind)) reader.at += 1
  reader.take("if not exists")
  if (kind === "table" && !there.now) there.made.add(reader.name())
  if (kind === "function" || kind === "procedure") {
    there.functions.add(reader.name())
    return ""
  }
  return kind === "table" || kind === "view" ? called(reader, there) : ""
}

function dropped(reader, there, renewed) {
  const kind =
    [
      "table",
      "index",
      "view",
      "function",
      "procedure",
      "trigger",
      "policy",
      "sequence",
      "type",
      "domain",
      "schema",
      "extension",
    ].find((word) => reader.take(word)) ?? (reader.take("materialized view") ? "materialized view" : "")
  if (!kind) return "drops something of an unknown kind"
  reader.take("concurrently")
  reader.take("if exists")
  for (const part of split(reader.rest(), ",")) {
    const item = new Reader(part)
    const name = item.name()
    if (kind === "index") continue
    if (["function", "procedure"].includes(kind)) {
      if ((!there.now || there.functions.has(name)) && !renewed(name)) return `drops the ${kind} ${name}`
    } else if (["trigger", "policy"].includes(kind)) {
      if (item.take("on") && there.has(item.name()) && !renewed(name)) return `drops the ${kind} ${name}`
    } else if (there.has(name) && !(kind === "view" && renewed(name))) {
      return `drops the ${kind} ${name}`
    }
  }
  return ""
}

const DANGEROUS = [
  "drop",
  "alter",
  "rename",
  "truncate",
  "delete",
  "merge",
  "execute",
  "call",
  "do",
  "revoke",
  "commit",
  "rollback",
]

// A block of code passes when it has no word by which something could be lost, and makes no statements out of texts.
function code(reader, there) {
  const body = reader.rest().find(({ kind }) => kind === "string")?.value ?? ""
  const inner = body.startsWith("$") ? lex(body.replace(/^\$[^$]*\$|\$[^$]*\$$/g, "")) : undefined
  const suspect = inner?.find(({ kind, value }, at) => {
    const harmless = ["text", "mapping"].includes(inner[at + 1]?.value) // of a text search configuration
    return kind === "word" && DANGEROUS.includes(value) && !(value === "alter" && harmless)
  })
  const other = reader.has("language") && !reader.has("language plpgsql")
  if (!inner || other || suspect) return `runs code that may lose something${suspect ? ` (${suspect.value})` : ""}`
  return called(new Reader(inner), there)
}

function lost(tokens, there, renewed) {
  const reader = new Reader(tokens)
  if (reader.take("alter table", "alter foreign table")) {
    reader.take("if exists")
    reader.take("only")
    const table = reader.name()
    reader.take("*")
    if (!there.has(table)) return ""
    return (
      split(reader.rest(), ",")
        .map((action) => tableAction(action, table, there, renewed))
        .find(Boolean) ?? ""
    )
  }
  if (reader.take("create")) return created(reader, there)
  if (reader.take("drop")) return dropped(reader, there, renewed)
  if (reader.take("truncate")) {
    reader.take("table")
    reader.take("only")
    const tables = split(reader.rest(), ",").map((part) => new Reader(part).name())
    return tables.some((table) => there.has(table)) || reader.has("cascade") ? `empties ${tables.join(", ")}` : ""
  }
  if (["insert", "update", "delete", "select", "with", "values"].some((word) => reader.take(word))) {
    return deleted(reader, there) || called(reader, there)
  }
  if (reader.take("alter type")) {
    const type = reader.name()
    return reader.take("add value", "add attribute", "owner to") || !there.has(type) ? "" : `changes the type ${type}`
  }
  if (
    reader.take("alter index", "comment on", "grant", "set", "reset", "analyze", "refresh materialized view", "reindex", "lock")
  )
    return ""
  if (reader.take("do")) return code(reader, there)
  return `is of an unknown kind: ${tokens[0].value}`
}

// What a statement makes that one before it may have dropped: a table's key, or a name.
function renews(tokens) {
  const reader = new Reader(tokens)
  if (reader.take("create")) {
    reader.take("or replace")
    if (reader.take("constraint trigger", "trigger", "function", "procedure", "view", "policy")) return reader.name()
  }
  if (reader.take("alter table")) {
    reader.take("if exists")
    reader.take("only")
    const table = reader.name()
    if (reader.has("primary key")) return table
  }
  return undefined
}

function losses(sqls, now, there = new Inventory(now)) {
  const found = []
  for (const sql of sqls) {
    let statements
    try {
      statements = split(lex(sql), ";")
    } catch (error) {
      found.push({ statement: shorten(sql), reason: `cannot be read: ${error.message}` })
      continue
    }
    found.push(...statements.map((tokens) => ({ tokens, statement: shorten(sql.slice(tokens[0].at, tokens.at(-1).end)) })))
  }
  return found.flatMap(({ tokens, statement, reason }, index) => {
    const later = found.slice(index) // with this one, which may do both
    const renewed = (name) => later.some((other) => other.tokens && renews(other.tokens) === name)
    try {
      reason ??= lost(tokens, there, renewed)
    } catch (error) {
      reason = `cannot be read: ${error.message}`
    }
    return reason ? [{ statement, reason }] : []
  })
}

function shorten(sql) {
  const text = sql.replace(/\s+/g, " ").trim()
  return text.length > 160 ? `${text.slice(0, 157)}...` : text
}
