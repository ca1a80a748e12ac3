/** Reading of JSON by its schema: as the gateway's own client reads it, a consumer of a later gateway as well. */

/** Part of JSON Schema (2020-12) that the contract uses. */
export interface Schema {
  readonly $ref?: string
  readonly type?: string
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly default?: unknown
  readonly format?: string
  readonly pattern?: string
  readonly minLength?: number
  readonly maxLength?: number
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
  readonly exclusiveMaximum?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: boolean | Schema
  readonly 'x-extensible-enum'?: readonly string[]
}

/** A message does not fit its schema. The text names no value. */
export class UnreadableError extends Error {
  override readonly name = 'UnreadableError'
}

const LOCAL = '#/$defs/'
const UNKNOWN = 'unknown'
const DATE_TIME = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:?\d\d)$/

/**
 * Reader of values by the names of their definitions.
 *
 * Unknown fields are left out, unknown words of a vocabulary become `unknown`, and fields that a sender may
 * omit get their defaults: so a value has the type that is generated from the same definitions.
 */
export class SchemaReader {
  readonly #definitions: Readonly<Record<string, Schema>>
  readonly #patterns = new Map<string, RegExp>()

  constructor(definitions: Readonly<Record<string, Schema>>) {
    this.#definitions = definitions
  }

  /** Read a value; throws UnreadableError. */
  read(name: string, value: unknown): unknown {
    return this.#read(this.#definition(name), value, name)
  }

  #definition(name: string): Schema {
    const schema = this.#definitions[name]
    if (schema === undefined) throw new UnreadableError(`there is no definition ${name}`)
    return schema
  }

  #read(schema: Schema, value: unknown, where: string): unknown {
    if (schema.$ref !== undefined) {
      return this.#read(this.#definition(schema.$ref.slice(LOCAL.length)), value, where)
    }
    if (schema.anyOf !== undefined) return this.#readAny(schema.anyOf, value, where)
    if ('const' in schema && value !== schema.const) throw unreadable(where, 'another value')
    if (schema.enum !== undefined && !schema.enum.includes(value)) throw unreadable(where, 'an unknown word')
    switch (schema.type) {
      case 'object':
        return this.#readObject(schema, value, where)
      case 'array':
        return this.#readArray(schema, value, where)
      case 'string':
        return this.#readText(schema, value, where)
      case 'integer':
        if (!Number.isInteger(value)) throw unreadable(where, 'no whole number')
        return bounded(schema, value as number, where)
      case 'number':
        if (typeof value !== 'number') throw unreadable(where, 'no number')
        return bounded(schema, value, where)
      case 'boolean':
        if (typeof value !== 'boolean') throw unreadable(where, 'neither true nor false')
        return value
      case 'null':
        if (value !== null) throw unreadable(where, 'not null')
        return value
      default:
        return value
    }
  }

  #readAny(schemas: readonly Schema[], value: unknown, where: string): unknown {
    let failure: unknown
    for (const schema of schemas) {
      try {
        return this.#read(schema, value, where)
      } catch (error) {
        failure = error
      }
    }
    throw failure
  }

  #readObject(schema: Schema, value: unknown, where: string): unknown {
    if (value === null || typeof value !== 'object' || Array.isArray(value)) throw unreadable(where, 'no object')
    const given = new Map<string, unknown>(Object.entries(value))
    const fields: [string, unknown][] = []
    for (const [name, part] of Object.entries(schema.properties ?? {})) {
      if (given.has(name)) fields.push([name, this.#read(part, given.get(name), `${where}.${name}`)])
      else if ('default' in part) fields.push([name, structuredClone(part.default)])
      else if (schema.required?.includes(name)) throw unreadable(`${where}.${name}`, 'missing')
      given.delete(name)
    }
    const others = schema.additionalProperties
    if (typeof others === 'object' || (others === true && schema.properties === undefined)) {
      for (const [name, part] of given) {
        fields.push([name, typeof others === 'object' ? this.#read(others, part, where) : part])
      }
    }
    return Object.fromEntries(fields)
  }

  #readArray(schema: Schema, value: unknown, where: string): unknown {
    if (!Array.isArray(value)) throw unreadable(where, 'no list')
    if (value.length < (schema.minItems ?? 0) || value.length > (schema.maxItems ?? Infinity)) {
      throw unreadable(where, 'a list of another length')
    }
    const { items } = schema
    return items === undefined ? value : value.map((part) => this.#read(items, part, `${where}[]`))
  }

  #readText(schema: Schema, value: unknown, where: string): unknown {
    if (typeof value !== 'string') throw unreadable(where, 'no text')
    const words = schema['x-extensible-enum']
    if (words !== undefined) return words.includes(value) || !words.includes(UNKNOWN) ? value : UNKNOWN
    const length = [...value].length
    if (length < (schema.minLength ?? 0) || length > (schema.maxLength ?? Infinity)) {
      throw unreadable(where, 'a text of another length')
    }
    if (schema.pattern !== undefined && !this.#pattern(schema.pattern).test(value)) {
      throw unreadable(where, 'a text of another form')
    }
    if (schema.format === 'date-time' && (!DATE_TIME.test(value) || Number.isNaN(Date.parse(value)))) {
      throw unreadable(where, 'no time')
    }
    return value
  }

  #pattern(text: string): RegExp {
    let pattern = this.#patterns.get(text)
    if (pattern === undefined) {
      pattern = new RegExp(text, 'u')
      this.#patterns.set(text, pattern)
    }
    return pattern
  }
}

function bounded(schema: Schema, value: number, where: string): number {
  if (
    value < (schema.minimum ?? -Infinity) ||
    value > (schema.maximum ?? Infinity) ||
    value <= (schema.exclusiveMinimum ?? -Infinity) ||
    value >= (schema.exclusiveMaximum ?? Infinity)
  ) {
    throw unreadable(where, 'out of range')
  }
  return value
}

function unreadable(where: string, text: string): UnreadableError {
  return new UnreadableError(`${where}: ${text}`)
}
