/** The lane belongs to another counter: who has it, and the way to take it over. */

import type { Lane } from '../lane/lane.ts'
import { filled, type Language, type Words } from '../words/words.ts'
import { failureText } from './failures.ts'
import { make, makeButton, setShown, setText, type View } from './dom.ts'

/** View of a lost lane. */
export class TakenView implements View {
  readonly root: HTMLElement
  readonly #words: Words
  readonly #language: Language
  readonly #title = make('p', { class: 'large' })
  readonly #reason: HTMLSelectElement
  readonly #failure = make('p', { class: 'failure', role: 'alert' })
  #lane: Lane | undefined

  constructor(words: Words, language: Language) {
    this.#words = words
    this.#language = language
    const reasons = Object.entries(words.takeOverReasons)
    this.#reason = make('select', { id: 'reason' }, ...reasons.map(([code, text]) => make('option', { value: code }, text)))
    this.root = make(
      'section',
      { class: 'taken', 'aria-label': words.laneTaken },
      make('div', { role: 'alert' }, this.#title, make('p', {}, words.laneTakenText)),
      make('p', {}, make('label', { for: 'reason' }, words.takeOverReason), ' ', this.#reason),
      makeButton(words.takeOver, () => this.#takeOver()),
      this.#failure,
    )
  }

  show(lane: Lane): void {
    this.#lane = lane
    const { taken } = lane.claims
    setShown(this.root, taken !== undefined)
    if (taken === undefined) return
    const { holder } = taken
    const words = this.#words
    setText(this.#title, holder === undefined ? words.laneTaken : filled(words.laneTakenBy, { holder }))
  }

  wipe(): void {
    // Nothing of a traveller is here.
  }

  async #takeOver(): Promise<void> {
    setText(this.#failure, '')
    // The record is read by technicians of every language: its reason is in English.
    const failure = await this.#lane?.claims.takeOver(REASONS[this.#reason.value] ?? this.#reason.value)
    if (failure !== undefined) setText(this.#failure, failureText(failure, this.#words, this.#language))
  }
}

const REASONS: Readonly<Record<string, string>> = {
  shift: 'Change of shift.',
  away: 'The other counter is not staffed.',
  supervisor: 'Order of the supervisor.',
}
