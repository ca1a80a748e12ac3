/** Devices of the lane in one line: ready, or what is wrong, what to do, and what works without it. */

import type { Lane } from '../lane/lane.ts'
import type { LaneDevice } from '../lane/devices.ts'
import { sentenceFor } from '../words/vocabularies.ts'
import { wordFor, type Language, type Words } from '../words/words.ts'
import { Children, make, type View } from './dom.ts'

type Light = 'good' | 'warn' | 'bad' | 'wait' | 'stale'

interface Shown {
  readonly name: string
  readonly light: Light
  readonly state: string
  readonly sentences: readonly string[]
}

/** Strip of the lane's devices, and below it a sentence for each that needs a person. */
export class DeviceStrip implements View {
  readonly root: HTMLElement
  readonly #devices: Children
  readonly #sentences: Children
  readonly #words: Words
  readonly #language: Language

  constructor(words: Words, language: Language) {
    this.#words = words
    this.#language = language
    const devices = make('ul', { class: 'devices', 'aria-label': words.devices })
    const sentences = make('ul', { class: 'sentences' })
    this.#devices = new Children(devices)
    this.#sentences = new Children(sentences)
    this.root = make('div', { class: 'strip' }, devices, sentences)
  }

  show(lane: Lane): void {
    const shown = lane.devices.all.map((device) => this.#shown(device, lane.isConnected))
    this.#devices.show(shown, () => shown.map(deviceItem))
    const wrong = shown.filter((device) => device.sentences.length > 0)
    this.#sentences.show(wrong, () =>
      wrong.map(({ name, light, sentences }) =>
        make('li', { 'data-light': light }, make('strong', {}, `${name}: `), sentences.join(' ')),
      ),
    )
  }

  wipe(): void {
    // Nothing of a traveller is here.
  }

  #shown({ family, position, status }: LaneDevice, isConnected: boolean): Shown {
    const words = this.#words
    const name = family === undefined ? (position.split('/')[1] ?? position) : words.families[family]
    const { state } = status
    if (state === undefined) return { name, light: 'wait', state: words.notKnown, sentences: [] }
    if (!isConnected || !status.gatewayOnline) {
      return { name, light: 'stale', state: words.notCurrent, sentences: [] }
    }
    const cause = state.cause === null ? undefined : sentenceFor('device_causes', state.cause, this.#language)
    const without = status.isUsable || family === undefined ? '' : words.without[family]
    const isWell = state.state === 'online' || state.state === 'busy'
    const sentences = isWell ? [] : [cause?.title, cause?.sentence, without].map(asSentence).filter((each) => each !== '')
    return { name, light: lightOf(state.state, status.isUsable), state: wordFor(words.states, state.state), sentences }
  }
}

function lightOf(state: string, isUsable: boolean): Light {
  if (state === 'online' || state === 'busy') return 'good'
  if (isUsable) return 'warn'
  return state === 'starting' ? 'wait' : 'bad'
}

function asSentence(text: string | undefined): string {
  return text === undefined || text === '' || text.endsWith('.') ? (text ?? '') : `${text}.`
}

function deviceItem({ name, light, state }: Shown): HTMLElement {
  return make(
    'li',
    { 'data-light': light },
    make('span', { class: 'mark', 'aria-hidden': 'true' }),
    make('strong', {}, name),
    ' ',
    make('span', {}, state),
  )
}
