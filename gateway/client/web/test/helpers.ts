/** Values that several tests use. */

import { bytesOf } from '../src/contract/bytes.ts'
import { SchemaReader } from '../src/contract/schemaReader.ts'
import { Decoder } from '../src/events/decoder.ts'
import { CONTRACT } from '../src/generated/schemas.ts'

export const READER = new SchemaReader(CONTRACT.definitions)
export const DECODER = new Decoder(READER, [])

/** Return the bytes of a value as JSON. */
export function json(value: unknown): Uint8Array {
  return bytesOf(JSON.stringify(value))
}
