/** Settings of the page. */

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { parseSettings, SettingsError } from '../src/page/settings.ts'

const LEAST = { site: 'ke-busia', broker: 'wss://broker:8884', lanes: { 'lane-1': ['lane-1/reader'] } }

test('what is left out is safe', () => {
  const settings = parseSettings(LEAST)
  assert.deepEqual([settings.passwords, settings.sign, settings.training], [true, true, false])
  assert.deepEqual([settings.wipe_after_s, settings.lock_after_s, settings.verify], [60, 300, {}])
})

for (const [key, value] of Object.entries({
  site: '',
  broker: 'mqtt://broker:1883',
  lanes: {},
  sign: 'yes',
  verify: { 'ke-busia/gw-1': 'key' },
  wipe_after_s: -1,
})) {
  test(`a wrong ${key} is named`, () => {
    assert.throws(() => parseSettings({ ...LEAST, [key]: value }), (error: unknown) => {
      return error instanceof SettingsError && error.message.includes(key)
    })
  })
}
