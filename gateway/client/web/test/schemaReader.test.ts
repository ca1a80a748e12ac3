/** Reading by schema: what is unknown is left out, what is missing gets its default, what is wrong is refused. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SchemaReader, UnreadableError } from '../src/contract/schemaReader.ts'
import { READER } from './helpers.ts'

const ANSWER = { cmd_id: null, state: 'done' }

test('unknown word becomes unknown', () => {
  const { state } = READER.read('CommandAnswer', { ...ANSWER, state: 'postponed' }) as { state: string }
  assert.equal(state, 'unknown')
})

test('unknown field is left out, missing one gets its default', () => {
  const read = READER.read('CommandAnswer', { ...ANSWER, since_breakfast: true }) as Record<string, unknown>
  assert.equal('since_breakfast' in read, false)
  assert.deepEqual([read['text'], read['reason'], read['result']], ['', null, null])
})

test('free object of a result is kept whole', () => {
  const read = READER.read('CommandAnswer', { ...ANSWER, result: { a: { b: [1] } } }) as { result: unknown }
  assert.deepEqual(read.result, { a: { b: [1] } })
})

for (const [name, value] of Object.entries({
  'no object': [],
  'missing field': { cmd_id: null },
  'wrong type': { ...ANSWER, text: 3 },
  'wrong pattern': { ...ANSWER, cmd_id: '../x' },
  'null where there is none': { ...ANSWER, state: null },
})) {
  test(`${name} is refused`, () => assert.throws(() => READER.read('CommandAnswer', value), UnreadableError))
}

test('names of the prototype are names like others', () => {
  const reader = new SchemaReader({ Map: { type: 'object', additionalProperties: { type: 'integer' } } })
  const read = reader.read('Map', JSON.parse('{"__proto__": 1, "constructor": 2}')) as object
  assert.deepEqual(Object.entries(read), [['__proto__', 1], ['constructor', 2]])
  assert.equal(({} as { constructor: unknown }).constructor, Object)
})

test('error names the field, never its value', () => {
  assert.throws(
    () => READER.read('CommandAnswer', { ...ANSWER, text: ['ERIKSSON'] }),
    (error: Error) => error.message.includes('CommandAnswer.text') && !error.message.includes('ERIKSSON'),
  )
})
