// Preparation of the contract's definitions for types and for reading.

const PROSE = new Set(['description', 'title', 'examples', 'x-sentences'])
const NAMED = new Set(['properties', '$defs'])

/**
 * Return definitions for types: a vocabulary is its known words, since a reader turns others into `unknown`,
 * and a field with a default is required, since a reader fills it in.
 *
 * Arguments, whose names end in `Args`, and `CommandMessage` keep their optional fields: a consumer sends them.
 */
export function closedWords(definitions) {
  return Object.fromEntries(
    Object.entries(definitions).map(([name, schema]) => [
      name,
      { ...closed(schema, !name.endsWith('Args') && name !== 'CommandMessage'), title: name },
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
  const type = { tsType: $ref.slice('#/$defs/'.length) }
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
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value)]))
}
