/** Zoom and pan of a page. */

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { clampPan, MAX_ZOOM, zoomed } from '../src/views/zoom.ts'

const WHOLE = { scale: 1, x: 0, y: 0 }

test('the point under the pointer stays where it is', () => {
  const near = zoomed(WHOLE, 2, 0.75, 0.5)
  // A point at 0.25 from the centre is at 0.25 again: 0.25 * scale + shift.
  assert.equal(0.25 * near.scale + near.x, 0.25)
  assert.equal(near.y, 0)
})

test('the zoom has limits, and the whole page is never shifted', () => {
  assert.deepEqual(zoomed(WHOLE, 0.5, 0, 0), WHOLE)
  assert.equal(zoomed(WHOLE, 100, 0.5, 0.5).scale, MAX_ZOOM)
  const back = zoomed(zoomed(WHOLE, 4, 0, 0), 0.25, 1, 1)
  assert.deepEqual([back.scale, Math.abs(back.x), Math.abs(back.y)], [1, 0, 0])
})

test('the page cannot be moved out of its frame', () => {
  assert.deepEqual(clampPan({ scale: 2, x: 3, y: -3 }), { scale: 2, x: 0.5, y: -0.5 })
})
