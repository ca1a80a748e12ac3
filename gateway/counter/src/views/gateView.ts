/** The gate: what its sensors say, and beside it what was asked. */

import type { BarrierState } from 'borderpost-client'

import type { Lane } from '../lane/lane.ts'
import { wordFor, type Language, type Words } from '../words/words.ts'
import { make, makeButton, setAttribute, setShown, setText, type View } from './dom.ts'
import { failureText } from './failures.ts'

/** View of the gate. */
export class GateView implements View {
  readonly root: HTMLElement
  readonly #words: Words
  readonly #language: Language
  readonly #state = make('p', { class: 'gate-state', role: 'status' })
  readonly #reason = make('p', { class: 'gate-reason' })
  readonly #asked = make('p', { class: 'quiet' })
  readonly #failure = make('p', { class: 'failure', role: 'alert' })
  readonly #open: HTMLButtonElement
  readonly #close: HTMLButtonElement
  readonly #stop: HTMLButtonElement
  #lane: Lane | undefined

  constructor(words: Words, language: Language) {
    this.#words = words
    this.#language = language
    this.#open = makeButton(words.openGate, () => this.#lane?.actions.openGate(), 'F9')
    this.#close = makeButton(words.closeGate, () => this.#lane?.actions.closeGate())
    this.#stop = makeButton(words.stopGate, () => this.#lane?.actions.stopGate())
    this.root = make(
      'section',
      { class: 'gate', 'aria-label': words.gate },
      make('h2', {}, words.gate, ' ', make('span', { class: 'kind' }, words.sensors)),
      this.#state,
      this.#reason,
      this.#asked,
      this.#failure,
      make('div', { class: 'buttons' }, this.#open, this.#close, this.#stop),
    )
  }

  /** Open for one person; without a traveller the key only goes to the button, which must be pressed. */
  press(): void {
    if (this.#open.disabled) return
    if (this.#lane?.traveller === undefined) this.#open.focus()
    else this.#open.click()
  }

  show(lane: Lane): void {
    this.#lane = lane
    const words = this.#words
    const { actions, gate } = lane
    setText(this.#state, gate === undefined ? words.noGateState : wordFor(words.gateStates, gate.state))
    setAttribute(this.#state, 'data-gate', gate?.state ?? 'unknown')
    setText(this.#reason, gate === undefined ? '' : this.#reasonText(gate))
    setText(this.#asked, actions.isRunning('gate') ? words.asked : '')
    const failure = actions.failure('gate')
    setText(this.#failure, failure === undefined ? '' : failureText(failure, words, this.#language))
    setShown(this.#failure, failure !== undefined)
    const isPossible = actions.isPossible('gate')
    this.#open.disabled = this.#close.disabled = !isPossible || actions.isRunning('gate')
    this.#stop.disabled = !lane.isConnected || actions.device('gate') === undefined
    setAttribute(this.root, 'data-stale', gate === undefined || gate.stale ? '' : undefined)
    setShown(this.root, actions.device('gate') !== undefined)
  }

  wipe(): void {
    setText(this.#failure, '')
  }

  #reasonText({ reason, conditions }: BarrierState): string {
    const reasons = new Set([...conditions, reason])
    reasons.delete('limit_switches')
    return [...reasons].map((one) => wordFor(this.#words.gateReasons, one)).join(' ')
  }
}
