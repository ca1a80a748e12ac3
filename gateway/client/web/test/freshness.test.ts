/** Freshness: which retained messages are known to be the newest, and for how long. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FreshToken } from '../src/index.ts'
import { Freshness, SILENCE_S } from '../src/site/freshness.ts'

const STATE = 'lane-1/barrier/state'

function token(number: number, newest?: number, session = 's1'): FreshToken {
  return { session, token: `t${number}`, number, numbers: newest === undefined ? {} : { [STATE]: newest } }
}

function holding(number: number): Freshness {
  const freshness = new Freshness()
  assert.ok(freshness.hold(STATE, { session: 's1', number, key: 'k' }))
  return freshness
}

for (const [held, newest, isCurrent] of [[4, 4, true], [5, 4, true], [3, 4, false]] as const) {
  test(`message ${held} beside a token that names ${newest}`, () => {
    const freshness = holding(held)
    freshness.onToken(token(1, newest), undefined, 0, 'k')
    assert.equal(freshness.isCurrent(STATE, 0), isCurrent)
  })
}

test('token of another session, of another key, or without the topic says nothing of the message', () => {
  for (const [message, key] of [[token(1, 4, 's2'), 'k'], [token(1, 4), 'other'], [token(1), 'k']] as const) {
    const freshness = holding(4)
    freshness.onToken(message, undefined, 0, key)
    assert.equal(freshness.isCurrent(STATE, 0), false)
  }
})

test('silence ends what is current', () => {
  const freshness = holding(4)
  freshness.onToken(token(1, 4), undefined, 0, 'k')
  assert.equal(freshness.isCurrent(STATE, SILENCE_S), true)
  assert.equal(freshness.isCurrent(STATE, SILENCE_S + 0.1), false)
})

test('older message does not replace a newer one of its session', () => {
  const freshness = holding(4)
  assert.equal(freshness.hold(STATE, { session: 's1', number: 3, key: 'k' }), false)
  assert.equal(freshness.hold(STATE, { session: 's2', number: 1, key: 'k' }), true)
})

test('token is used until its life ends, which the broker cannot prolong', () => {
  const freshness = new Freshness()
  freshness.onToken(token(1), 2, 10, undefined)
  assert.deepEqual([freshness.token('s1', 11.9), freshness.token('s1', 12)], ['t1', undefined])
  freshness.onToken(token(2), 4_294_967_295, 20, undefined)
  assert.equal(freshness.token('s1', 26), undefined)
})

test('old token is refused, also after a new connection', () => {
  const freshness = new Freshness()
  assert.ok(freshness.onToken(token(2), undefined, 0, 'k'))
  freshness.onDisconnected()
  assert.equal(freshness.token('s1', 0), undefined)
  assert.equal(freshness.onToken(token(2), undefined, 0, 'k'), false)
  assert.equal(freshness.onToken(token(3), undefined, 0, 'k'), true)
})
