/** Travellers: what came of one transaction, and what is missing. Events are the contract's golden payloads. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { gatherTravellers, PARTS, ReceivedEvent, Traveller, TravellerGathering } from '../src/index.ts'
import type { EventData } from '../src/index.ts'
import { DECODER, json } from './helpers.ts'

const GOLDEN = '../../../../tests/gateway/contract/golden/1.0.0/payloads/'
const CHECK = { id: 'chip.trust', group: 'electronic', outcome: 'successful' }
const PICTURE = Uint8Array.of(0xff, 0xd8)

interface Changes {
  readonly transaction?: string
  readonly data?: object
  readonly images?: readonly string[]
  readonly lost?: readonly string[]
  readonly stream?: string
}

/** Make an event with changed data and with images; `lost`: those that are listed and do not arrive. */
function event(type: keyof EventData, { transaction = 't-1', data = {}, images = [], lost = [], stream }: Changes = {}) {
  const payload = JSON.parse(readFileSync(new URL(`${GOLDEN}${type}.json`, import.meta.url), 'utf8'))
  const attachments = [...images, ...lost].map((role) => {
    return { role, media_type: 'image/jpeg', bytes: PICTURE.length, sha256: '0'.repeat(64) }
  })
  const changed = { ...payload, transaction, data: { ...payload.data, attachments, ...data } }
  const read = DECODER.readEvent(json(stream === undefined ? changed : { ...changed, stream }))
  const decoded = DECODER.observation(read.envelope, read.data)
  return new ReceivedEvent('lane-1/reader', read.envelope, decoded, new Map(images.map((role) => [role, PICTURE])), undefined)
}

test('whole traveller is gathered', () => {
  const gathering = new TravellerGathering(PARTS)
  const steps = [
    [event('document.mrz'), undefined],
    [event('document.image', { images: ['page_visible'] }), 'page'],
    [event('document.chip', { images: ['chip_face'] }), 'chip'],
    [event('document.read', { data: { previous_side_transaction: null } }), 'document'],
    [event('face.captured', { images: ['picture'] }), 'portrait'],
    [event('finger.captured', { images: ['png'] }), 'prints'],
    [event('finger.capture_ended'), undefined],
    [event('barrier.passage', { stream: 'lane-1/barrier/record' }), 'passage'],
  ] as const
  let missing: readonly string[] = PARTS
  const seen = new Set<Traveller>()
  for (const [arrived, part] of steps) {
    const traveller = gathering.take(arrived)
    assert.ok(traveller)
    seen.add(traveller)
    missing = missing.filter((one) => one !== part)
    assert.deepEqual(traveller.missing, missing)
  }
  const [traveller, ...others] = seen
  assert.ok(traveller)
  assert.deepEqual(others, [])
  assert.ok(traveller.isComplete)
  assert.deepEqual([...traveller.images.keys()], ['page_visible', 'chip_face'])
  assert.deepEqual(traveller.portrait?.image, PICTURE)
  assert.deepEqual(traveller.prints[0]?.images.get('png'), PICTURE)
  assert.ok(traveller.checks.length > 0)
  assert.ok(traveller.isSimulated)
})

test('document without a chip misses none', () => {
  const traveller = new TravellerGathering(['document', 'chip']).take(event('document.read', { data: { chip: null } }))
  assert.deepEqual(traveller?.missing, [])
})

test('person who turned back has not passed', () => {
  const traveller = new Traveller('t-1', ['passage'])
  traveller.take(event('barrier.passage', { data: { direction: 'turned_back' } }))
  assert.deepEqual(traveller.missing, ['passage'])
  traveller.take(event('barrier.passage', { data: { direction: 'forward' } }))
  assert.ok(traveller.isComplete)
})

test('newest result of a check counts', () => {
  const traveller = new Traveller('t-1')
  traveller.take(event('document.checked', { data: { checks: [{ ...CHECK, outcome: 'aborted' }] } }))
  traveller.take(event('document.checked', { data: { checks: [CHECK] } }))
  assert.deepEqual(traveller.checks.map(({ outcome }) => outcome), ['successful'])
})

test('presence of the document follows the reader', () => {
  const traveller = new Traveller('t-1')
  traveller.take(event('document.mrz'))
  assert.ok(traveller.isDocumentPresent)
  traveller.take(event('document.removed'))
  assert.ok(!traveller.isDocumentPresent)
})

test('image that did not arrive is named', () => {
  const traveller = new Traveller('t-1')
  traveller.take(event('document.image', { lost: ['page_ir'] }))
  assert.deepEqual(traveller.lostImages, ['page_ir'])
})

test('second side of a card knows the first', () => {
  const gathering = new TravellerGathering()
  const front = gathering.take(event('document.read', { transaction: 'front' }))
  const back = gathering.take(
    event('document.read', { transaction: 'back', data: { previous_side_transaction: 'front' } }),
  )
  assert.equal(back?.otherSide, front)
})

test('event about no traveller makes none', () => {
  assert.equal(new TravellerGathering().take(event('barrier.state', { stream: 'lane-1/barrier/record' })), undefined)
})

test('forgotten and old travellers are wiped', () => {
  const gathering = new TravellerGathering(['document'], { limit: 2 })
  const [oldest, kept, newest] = ['t-0', 't-1', 't-2'].map((transaction) => {
    return gathering.take(event('document.read', { transaction }))
  })
  assert.ok(oldest && kept && newest)
  assert.deepEqual([oldest.document, oldest.checks, oldest.transaction], [undefined, [], 't-0'])
  assert.ok(kept.document)
  gathering.forget(newest)
  assert.deepEqual([newest.document, newest.images.size, newest.mrz], [undefined, 0, undefined])
  assert.notEqual(gathering.take(event('document.removed', { transaction: 't-2' })), newest)
  gathering.forgetAll()
  assert.equal(kept.document, undefined)
})

test('kept traveller outlasts any number of others', () => {
  const gathering = new TravellerGathering(['document'], { limit: 2 })
  const [served, ...others] = ['t-0', 't-1', 't-2', 't-3'].map((transaction) => {
    const traveller = gathering.take(event('document.read', { transaction }))
    assert.ok(traveller)
    if (transaction === 't-0') gathering.keep(traveller)
    return traveller
  })
  assert.deepEqual(others.map(({ document }) => document !== undefined), [false, true, true])
  assert.ok(served?.document)
  assert.equal(gathering.take(event('barrier.passage', { transaction: 't-0' })), served)
  gathering.forget(served)
  assert.equal(served.document, undefined)
})

test('wiping an old traveller leaves a new one of its transaction', () => {
  const gathering = new TravellerGathering()
  const first = gathering.take(event('document.read'))
  assert.ok(first)
  gathering.forget(first)
  const second = gathering.take(event('document.read'))
  gathering.forget(first)
  assert.equal(gathering.take(event('document.removed')), second)
})

test('nothing of a person is in its JSON', () => {
  const traveller = new Traveller('t-1')
  traveller.take(event('document.read'))
  assert.deepEqual(JSON.parse(JSON.stringify(traveller)), { transaction: 't-1', wanted: {} })
})

test('traveller comes with each event', async () => {
  async function* events() {
    yield event('document.mrz')
    yield event('barrier.state', { stream: 'lane-1/barrier/record' })
    yield event('document.read')
  }
  const found = []
  for await (const { missing } of gatherTravellers(events(), new TravellerGathering())) found.push(missing)
  assert.deepEqual(found, [['document'], []])
})
