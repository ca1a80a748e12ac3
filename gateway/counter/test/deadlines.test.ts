/** When a screen is wiped, and when it is locked. */

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { Deadlines, type ScreenFacts } from '../src/lane/deadlines.ts'

const OPTIONS = { wipeAfterS: 60, wipeAfterPassageS: 10, wipeAfterLossS: 20, lockAfterS: 300 }
const NOBODY: ScreenFacts = { hasTraveller: false, isDocumentGone: true, hasPassed: false, isLinkLost: false }
const PERSON: ScreenFacts = { ...NOBODY, hasTraveller: true, isDocumentGone: false }

test('an idle lane is locked, not wiped', () => {
  assert.deepEqual(new Deadlines(OPTIONS, 0).next(NOBODY, 100), { action: 'lock', leftS: 200, isKeepable: true })
  assert.equal(new Deadlines({ ...OPTIONS, lockAfterS: 0 }, 0).next(NOBODY, 1e6), undefined)
})

test('a traveller whose document lies there stays', () => {
  assert.deepEqual(new Deadlines(OPTIONS, 0).next(PERSON, 100)?.action, 'lock')
})

test('a key prolongs the time after the removal', () => {
  const deadlines = new Deadlines(OPTIONS, 0)
  const gone = { ...PERSON, isDocumentGone: true }
  assert.deepEqual(deadlines.next(gone, 50), { action: 'wipe', leftS: 10, isKeepable: true })
  deadlines.onActivity(50)
  assert.deepEqual(deadlines.next(gone, 50), { action: 'wipe', leftS: 60, isKeepable: true })
})

test('a passage and a lost link count from their own moment', () => {
  const deadlines = new Deadlines(OPTIONS, 0)
  deadlines.next(PERSON, 100)
  assert.deepEqual(deadlines.next({ ...PERSON, hasPassed: true }, 101), { action: 'wipe', leftS: 10, isKeepable: true })
  assert.deepEqual(deadlines.next({ ...PERSON, hasPassed: true }, 105), { action: 'wipe', leftS: 6, isKeepable: true })
  assert.deepEqual(deadlines.next({ ...PERSON, isLinkLost: true }, 110), { action: 'wipe', leftS: 20, isKeepable: false })
  deadlines.onActivity(120)
  assert.deepEqual(deadlines.next({ ...PERSON, isLinkLost: true }, 120), { action: 'wipe', leftS: 10, isKeepable: false })
  assert.equal(deadlines.next(PERSON, 121)?.action, 'lock')
  assert.deepEqual(deadlines.next({ ...PERSON, isLinkLost: true }, 200), { action: 'wipe', leftS: 20, isKeepable: false })
})
