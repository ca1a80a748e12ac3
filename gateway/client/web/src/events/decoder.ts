/**
 * Models of the events and commands that a workstation knows: ours, and those of given vocabularies.
 *
 * What fits no model stays plain JSON: a desk may lack a vocabulary, or have another version of it than the
 * gateway.
 */

import { parseJson } from '../contract/bytes.ts'
import { SCHEMA_BASE } from '../contract/constants.ts'
import { SchemaReader, UnreadableError } from '../contract/schemaReader.ts'
import { CommandType } from '../contract/tables.ts'
import { CONTRACT } from '../generated/schemas.ts'
import type { DeviceDescription, EventData, EventEnvelope, LastValueEnvelope } from '../generated/types.ts'
import type { DecodedData } from '../models.ts'
import { readVocabulary, type Vocabulary } from './vocabularies.ts'

/** Function that takes the sentence why data are passed on as plain JSON. */
export type OnUndecoded = (text: string) => void

/** Number of such sentences of one workstation: schema ids are the sender's words. */
const MAX_SENTENCES = 100
const REMEDY = 'Give the vocabulary of the package in the version that the gateway has.'

interface Model {
  readonly reader: SchemaReader
  readonly name: string
}

/** Converter of received data to their models, by the ids of their schemas. */
export class Decoder {
  readonly #reader: SchemaReader
  readonly #onUndecoded: OnUndecoded
  readonly #said = new Set<string>()
  readonly #ours = new Map(CONTRACT.events.map((event) => [event.type, event]))
  /** Models of vocabularies by the type and the schema id of an event. */
  readonly #events = new Map<string, Model>()
  /** Models of results by the id of their schema. */
  readonly #results = new Map<string, Model>()
  readonly #versions = new Map<string, number>()

  /** `vocabularies`: those of other vendors' packages. Throws RangeError for one that cannot be used. */
  constructor(reader: SchemaReader, vocabularies: readonly Vocabulary[], onUndecoded?: OnUndecoded) {
    this.#reader = reader
    this.#onUndecoded = onUndecoded ?? ((text) => console.warn(text))
    for (const { name, result } of CONTRACT.commands) {
      this.#results.set(`${SCHEMA_BASE}command.${name}:v1:result`, { reader, name: result })
    }
    for (const vocabulary of vocabularies) this.#add(vocabulary)
  }

  #add(vocabulary: Vocabulary): void {
    const read = readVocabulary(vocabulary)
    if (this.#versions.has(read.namespace)) {
      throw new RangeError(`two of the vocabularies have the namespace ${read.namespace}`)
    }
    this.#versions.set(read.namespace, read.version)
    const reader = new SchemaReader(read.definitions)
    for (const event of read.events) this.#events.set(`${event.type} ${event.schema}`, { reader, name: event.data })
  }

  /** Read the envelope of an event, and its data as JSON; throws UnreadableError, SyntaxError. */
  readEvent(payload: Uint8Array): { envelope: EventEnvelope; data: unknown } {
    const { envelope, data } = this.#readEnvelope('EventEnvelope', payload)
    return { envelope: envelope as EventEnvelope, data }
  }

  /** Read the envelope of a last value, and its data as JSON; throws UnreadableError, SyntaxError. */
  readLastValue(payload: Uint8Array): { envelope: LastValueEnvelope; data: unknown } {
    const { envelope, data } = this.#readEnvelope('LastValueEnvelope', payload)
    return { envelope: envelope as LastValueEnvelope, data }
  }

  #readEnvelope(definition: string, payload: Uint8Array): { envelope: unknown; data: unknown } {
    const whole = parseJson(payload)
    const envelope = this.#reader.read(definition, whole)
    if (!Object.hasOwn(whole as object, 'data')) throw new UnreadableError(`${definition}.data: missing`)
    return { envelope, data: (whole as { data: unknown }).data }
  }

  /**
   * Convert the data of an event to its model; without one that fits they stay plain JSON.
   *
   * Throws UnreadableError for data that do not fit a model of ours.
   */
  observation({ type, dataschema }: EventEnvelope | LastValueEnvelope, data: unknown): DecodedData {
    const ours = this.#ours.get(type)
    if (ours !== undefined) {
      const eventType = ours.type.slice('bgw.'.length, -'.v1'.length) as keyof EventData
      return { eventType, data: this.#reader.read(ours.data, data) }
    }
    const model = this.#events.get(`${type} ${dataschema}`)
    if (model === undefined) this.#reportUnknown(dataschema)
    const fitted = model && this.#fitted(model, data, dataschema)
    return { eventType: undefined, data: fitted === undefined ? data : fitted }
  }

  /** Convert the result of a command to the model that the device's description names. */
  result(description: DeviceDescription, verb: string, said: unknown): unknown {
    const schema = description.commands.find((command) => command.verb === verb)?.result
    const model =
      schema === undefined
        ? (this.#results.get(`${SCHEMA_BASE}command.device.${verb}:v1:result`) ??
          this.#results.get(`${SCHEMA_BASE}command.${description.family}.${verb}:v1:result`))
        : this.#results.get(schema)
    const fitted = model && this.#fitted(model, said, schema ?? model.name)
    return fitted === undefined ? said : fitted
  }

  /**
   * Return the schema id that a device expects, if a command of a type is of another one.
   *
   * Two vendors may have one verb, and arguments of one that the other accepts with another meaning.
   */
  expectedArguments(description: DeviceDescription, command: string | CommandType): string | undefined {
    if (typeof command === 'string') return undefined
    const expected = description.commands.find(({ verb }) => verb === command.verb)?.args
    return expected === `${SCHEMA_BASE}command.${command.name}:v1:args` ? undefined : expected
  }

  #fitted(model: Model, data: unknown, schema: string): unknown {
    try {
      return model.reader.read(model.name, data)
    } catch {
      const text = `Data of ${short(schema)} are passed on as JSON: they do not fit their model. ${REMEDY}`
      this.#say(schema, text)
      return undefined
    }
  }

  /** Say once that a vocabulary was given, and has no such schema. */
  #reportUnknown(schema: string): void {
    const namespace = (schema.startsWith(SCHEMA_BASE) ? schema.slice(SCHEMA_BASE.length) : schema).split('.')[0] ?? ''
    const version = this.#versions.get(namespace)
    if (version === undefined) return
    this.#say(
      schema,
      `Data of ${short(schema)} are passed on as JSON: the vocabulary ${namespace}, here in version ${version}, ` +
        `has no model for them. ${REMEDY}`,
    )
  }

  #say(schema: string, text: string): void {
    if (this.#said.has(schema) || this.#said.size >= MAX_SENTENCES) return
    this.#said.add(schema)
    this.#onUndecoded(text)
  }
}

/** Return a schema id, cut, without what a terminal would obey: it is the sender's word. */
function short(schema: string): string {
  return schema.slice(0, 120).replaceAll(/[^\x20-\x7e]/g, '?')
}
