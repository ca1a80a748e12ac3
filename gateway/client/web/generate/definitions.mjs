// Preparation of the contract's definitions for types and for reading.

const PROSE = new Set(['description', 'title', 'examples', 'x-sentences', 'tsType'])
const NAMED = new Set(['properties', '$defs'])
const LOCAL = '#/$defs/'
/** Word that a vocabulary has for the words of later versions. */
const UNKNOWN = 'unknown'

/**
 * Return the definitions that a reader needs.
 *
 * A vocabulary with the word `unknown` has its known words as `x-extensible-enum`: a reader turns others into
 * `unknown`. References are plain, and an answer has its result, which the contract describes by command.
 */
export function readDefinitions(definitions) {
  const read = {}
  for (const [name, schema] of Object.entries(definitions)) {
    const known = definitions[`Known${name}`]?.enum
    if (known?.includes(UNKNOWN)) {
      read[name] = { type: 'string', description: schema.description, 'x-extensible-enum': known }
    } else if (schema.allOf === undefined && !isKnownWords(name, definitions)) {
      read[name] = plain(schema)
    }
  }
  const { AnswerEnvelope: answer, ...others } = read
  const result = { anyOf: [{ type: 'object', additionalProperties: true }, { type: 'null' }], default: null }
  return { ...others, CommandAnswer: { ...answer, properties: { ...answer.properties, result } } }
}

/** Tell whether a definition is the known words of a vocabulary that has taken them over. */
function isKnownWords(name, definitions) {
  return name.startsWith('Known') && definitions[name].enum?.includes(UNKNOWN) && name.slice(5) in definitions
}

/** Return a schema in which a reference with words beside it is a reference. */
function plain(schema) {
  if (Array.isArray(schema)) return schema.map(plain)
  if (schema === null || typeof schema !== 'object') return schema
  const { anyOf, ...beside } = schema
  const [only, ...more] = anyOf ?? []
  if (only?.$ref !== undefined && more.length === 0) return { ...beside, $ref: only.$ref }
  return mapValues(schema, (part, key) => (key === 'default' || key === 'const' || key === 'enum' ? part : plain(part)))
}

/**
 * Return definitions for types: a vocabulary is its known words, since a reader turns others into `unknown`,
 * and a field with a default is required, since a reader fills it in.
 *
 * Arguments, whose names end in `Args`, and `CommandEnvelope` keep their optional fields: a consumer sends them.
 */
export function closedWords(definitions) {
  return Object.fromEntries(
    Object.entries(definitions).map(([name, schema]) => [
      name,
      { ...closed(schema, !name.endsWith('Args') && name !== 'CommandEnvelope'), title: name },
    ]),
  )
}

function closed(schema, isReceived) {
  if (Array.isArray(schema)) return schema.map((part) => closed(part, isReceived))
  if (schema === null || typeof schema !== 'object') return schema
  if (schema.$ref !== undefined) return referring(schema)
  const copy = {}
  for (const [key, part] of Object.entries(schema)) {
    if (key === 'x-extensible-enum') copy.enum = part
    else if (NAMED.has(key)) copy[key] = mapValues(part, (value) => closed(value, isReceived))
    else if (key === 'items' || key === 'anyOf' || key === 'allOf') copy[key] = closed(part, isReceived)
    else if (key !== 'examples' && key !== 'title' && key !== 'x-sentences') copy[key] = part
  }
  if (isReceived && schema.properties !== undefined) {
    const filled = Object.keys(schema.properties).filter((name) => 'default' in schema.properties[name])
    copy.required = [...new Set([...(schema.required ?? []), ...filled])]
  }
  return copy
}

/** Name the type of a reference: with words beside it, the generator would make a copy of what it refers to. */
function referring({ $ref, description }) {
  const type = { tsType: $ref.slice(LOCAL.length) }
  return description === undefined ? type : { ...type, description }
}

/** Return definitions without what only people read. */
export function withoutProse(schema) {
  if (Array.isArray(schema)) return schema.map(withoutProse)
  if (schema === null || typeof schema !== 'object') return schema
  const copy = {}
  for (const [key, part] of Object.entries(schema)) {
    if (PROSE.has(key)) continue
    copy[key] = NAMED.has(key) ? mapValues(part, withoutProse) : key === 'default' || key === 'const' ? part : withoutProse(part)
  }
  return copy
}

function mapValues(object, change) {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value, key)]))
}
