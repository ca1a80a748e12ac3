/** Assembly and queue of events: repetitions, gaps, images, age. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EventAssembler } from '../src/events/eventAssembler.ts'
import { EventQueue } from '../src/events/eventQueue.ts'
import type { DiscardCounts, ReceivedEvent } from '../src/index.ts'
import { nowS } from '../src/time/clock.ts'
import { DECODER, json } from './helpers.ts'

function event(seq: number, data: unknown = { fault: 'cut', size_bytes: 1 }): Uint8Array {
  return json({
    specversion: '1.0',
    id: `01938f3e-7c1a-7b5e-9d55-${seq.toString(16).padStart(12, '0')}`,
    source: '/bgw/uto-test/gw-1/lane-1/reader',
    type: 'bgw.document.read_failed.v1',
    time: '2026-11-23T08:15:30.123456Z',
    datacontenttype: 'application/json',
    dataschema: 'urn:bgw:schema:document.read_failed:v1',
    bootid: 'b',
    monons: '1',
    clock: 'synced',
    provenance: 'live',
    transaction: 't',
    data,
    epoch: 'e',
    stream: 'lane-1/reader/traveller',
    seq,
  })
}

function assembled(): { assembler: EventAssembler; delivered: ReceivedEvent[]; discarded: DiscardCounts } {
  const discarded = { duplicates: 0, expired: 0, unreadable: 0, rejected: 0, missing: 0 }
  const delivered: ReceivedEvent[] = []
  const assembler = new EventAssembler((one) => delivered.push(one), discarded, DECODER, undefined)
  return { assembler, delivered, discarded }
}

test('event is delivered once, and its type narrows its data', async () => {
  const { assembler, delivered, discarded } = assembled()
  for (const seq of [1, 1, 4]) await assembler.onEvent('lane-1/reader', event(seq), Infinity, undefined)
  assert.deepEqual(delivered.map(({ envelope }) => envelope.seq), [1, 4])
  assert.deepEqual([discarded.duplicates, discarded.missing], [1, 2])
  const [first] = delivered
  assert.ok(first?.is('document.read_failed'))
  assert.equal(first.data.fault, 'cut')
  assert.equal(first.is('document.read'), false)
})

test('event of a known type whose data do not fit is unreadable, of an unknown type plain JSON', async () => {
  const { assembler, delivered } = assembled()
  await assert.rejects(assembler.onEvent('lane-1/reader', event(1, { fault: 3 }), Infinity, undefined))
  assert.equal(delivered.length, 0)
})

test('image is kept until its event, and its event waits for it', async () => {
  const { assembler, delivered } = assembled()
  const facts = { role: 'page_vi', media_type: 'image/jpeg', bytes: 1, sha256: '0'.repeat(64) }
  const listing = { fault: 'cut', size_bytes: 1, attachments: [facts] }
  await assembler.onEvent('lane-1/reader', event(1, listing), Infinity, undefined)
  assert.equal(delivered.length, 0)
  await assembler.onImage('01938f3e-7c1a-7b5e-9d55-000000000001', 'page_vi', Uint8Array.of(7))
  assert.deepEqual(delivered[0]?.images.get('page_vi'), Uint8Array.of(7))
})

test('event that grew old in the queue is dropped', async () => {
  const discarded = { duplicates: 0, expired: 0, unreadable: 0, rejected: 0, missing: 0 }
  const queue = new EventQueue(discarded)
  const assembler = new EventAssembler((one) => queue.put(one), discarded, DECODER, undefined)
  await assembler.onEvent('lane-1/reader', event(1), nowS() - 1, undefined)
  await assembler.onEvent('lane-1/reader', event(2), nowS() + 60, undefined)
  const { value } = await queue.items().next()
  assert.equal((value as ReceivedEvent).envelope.seq, 2)
  assert.equal(discarded.expired, 1)
})

test('iteration ends, and what waits is dropped', async () => {
  const discarded = { duplicates: 0, expired: 0, unreadable: 0, rejected: 0, missing: 0 }
  const queue = new EventQueue(discarded)
  const next = queue.items().next()
  queue.end()
  assert.equal((await next).done, true)
})
