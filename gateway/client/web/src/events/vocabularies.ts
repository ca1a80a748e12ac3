/** Vocabularies of other vendors' packages, as `borderpost contract --package NAME` writes them. */

import type { Schema } from '../contract/schemaReader.ts'
import type { EventSchema } from '../contract/tables.ts'

/** Content of `contract/messages.json` of a package. */
export interface Vocabulary {
  readonly $id: string
  readonly $defs: Readonly<Record<string, unknown>>
}

/** A vocabulary in parts. Results of its commands stay JSON: the document does not name their schemas. */
export interface ReadVocabulary {
  readonly namespace: string
  readonly version: number
  readonly definitions: Readonly<Record<string, Schema>>
  readonly events: readonly EventSchema[]
}

const ID = /^urn:bgw:schema:message:([a-z0-9-]+):v([1-9][0-9]*)$/
const LOCAL = '#/$defs/'

/** Definition of an event: its envelope, narrowed to one type. */
interface Narrowed {
  readonly allOf?: readonly {
    readonly properties?: {
      readonly type?: { readonly const?: string }
      readonly dataschema?: { readonly const?: string }
      readonly data?: { readonly $ref?: string }
    }
  }[]
}

/** Read a vocabulary; throws RangeError for a document of another kind. */
export function readVocabulary(vocabulary: Vocabulary): ReadVocabulary {
  const found = ID.exec(vocabulary.$id)
  const [, namespace, version] = found ?? []
  if (namespace === undefined || version === undefined || typeof vocabulary.$defs !== 'object') {
    throw new RangeError('this is no vocabulary: give the messages.json of `borderpost contract --package NAME`')
  }
  const events: EventSchema[] = []
  for (const [name, definition] of Object.entries(vocabulary.$defs)) {
    const narrowed = (definition as Narrowed).allOf?.[1]?.properties
    const type = narrowed?.type?.const
    const schema = narrowed?.dataschema?.const
    const data = narrowed?.data?.$ref?.slice(LOCAL.length)
    if (name.endsWith('Event') && type !== undefined && schema !== undefined && data !== undefined) {
      events.push({ type, schema, data })
    }
  }
  const definitions = vocabulary.$defs as Readonly<Record<string, Schema>>
  return { namespace, version: Number(version), definitions, events }
}
