/** Prints: which finger, advice while it is taken, quality, and fingers that cannot be given. */

import type { FingerPosition, Print } from 'borderpost-client'

import type { Lane } from '../lane/lane.ts'
import { filled, wordFor, type Language, type Words } from '../words/words.ts'
import { Children, make, makeButton, setAttribute, setShown, setText, type View } from './dom.ts'
import { failureText } from './failures.ts'
import { Image } from './images.ts'

const FINGERS: readonly FingerPosition[] = [
  'right_index',
  'right_thumb',
  'right_middle',
  'right_ring',
  'right_little',
  'left_index',
  'left_thumb',
  'left_middle',
  'left_ring',
  'left_little',
  'right_four',
  'left_four',
  'both_thumbs',
]
const SEVERAL = new Set<FingerPosition>(['right_four', 'left_four', 'both_thumbs'])

/** View of the prints. */
export class PrintsView implements View {
  readonly root: HTMLElement
  readonly #words: Words
  readonly #language: Language
  readonly #finger: HTMLSelectElement
  readonly #missing: HTMLSelectElement
  readonly #take: HTMLButtonElement
  readonly #cancel: HTMLButtonElement
  readonly #advice = make('p', { class: 'advice', role: 'status' })
  readonly #failure = make('p', { class: 'failure', role: 'alert' })
  readonly #list = make('ul', { class: 'prints-list' })
  readonly #missingList = make('ul', { class: 'missing-list' })
  readonly #missingItems = new Children(this.#missingList)
  #prints: readonly Print[] = []
  #images: Image[] = []
  #lane: Lane | undefined

  constructor(words: Words, language: Language) {
    this.#words = words
    this.#language = language
    this.#finger = make('select', { id: 'finger' }, ...FINGERS.map((one) => option(one, words.fingers[one])))
    const reasons = Object.entries(words.missingReasons)
    this.#missing = make('select', { id: 'missing' }, ...reasons.map(([code, reason]) => option(code, reason)))
    this.#finger.addEventListener('change', () => this.#showMissing())
    this.#missing.addEventListener('change', () => this.#setMissing())
    this.#take = makeButton(words.takePrint, () => this.press(), 'F4')
    this.#cancel = makeButton(words.cancel, () => this.#lane?.actions.cancelPrint())
    this.root = make(
      'section',
      { class: 'prints', 'aria-label': words.prints },
      make('h2', {}, words.prints),
      make(
        'div',
        { class: 'choices' },
        make('div', {}, make('label', { for: 'finger' }, words.finger), this.#finger),
        make('div', {}, make('label', { for: 'missing' }, words.missing), this.#missing),
      ),
      make('div', { class: 'buttons' }, this.#take, this.#cancel),
      this.#advice,
      this.#failure,
      this.#list,
      this.#missingList,
    )
  }

  /** Take the print of the chosen finger. */
  press(): void {
    const actions = this.#lane?.actions
    if (actions === undefined || this.#take.disabled) return
    void actions.takePrint(this.#chosen)
  }

  show(lane: Lane): void {
    this.#lane = lane
    const { traveller, actions } = lane
    const isRunning = actions.isRunning('prints')
    this.#take.disabled = isRunning || !actions.isPossible('prints') || actions.missing.has(this.#chosen)
    setShown(this.#cancel, isRunning)
    setText(this.#advice, this.#adviceText(lane))
    const failure = actions.failure('prints')
    setText(this.#failure, failure === undefined ? '' : failureText(failure, this.#words, this.#language))
    setShown(this.#failure, failure !== undefined)
    this.#showPrints(traveller?.prints ?? [])
    const missing = [...actions.missing]
    this.#missingItems.show(missing, () => missing.map(([finger, reason]) => this.#missingItem(finger, reason)))
    this.#showMissing()
    setAttribute(this.root, 'data-stale', lane.isStale && traveller !== undefined ? '' : undefined)
  }

  wipe(): void {
    this.#showPrints([])
    this.#missingItems.wipe()
    setText(this.#advice, '')
    setText(this.#failure, '')
    this.#finger.value = FINGERS[0] ?? ''
    this.#missing.value = 'given'
  }

  get #chosen(): FingerPosition {
    return this.#finger.value as FingerPosition
  }

  #adviceText({ traveller, actions, fingerAdvice }: Lane): string {
    const words = this.#words
    if (actions.isRunning('prints')) return fingerAdvice.map((advice) => wordFor(words.fingerAdvice, advice)).join(' ')
    const ended = traveller?.captureEnded
    if (ended === undefined) return ''
    const outcome = wordFor(words.captureOutcomes, ended.outcome)
    return ended.reason === null ? outcome : `${outcome} ${wordFor(words.unreadableReasons, ended.reason)}`
  }

  #showMissing(): void {
    const isSeveral = SEVERAL.has(this.#chosen)
    this.#missing.disabled = isSeveral || this.#lane === undefined
    const wanted = this.#lane?.actions.missing.get(this.#chosen) ?? 'given'
    if (this.#missing.value !== wanted) this.#missing.value = wanted
  }

  #setMissing(): void {
    const reason = this.#missing.value
    this.#lane?.actions.setMissing(this.#chosen, reason === 'given' ? undefined : reason)
  }

  #missingItem(finger: FingerPosition, reason: string): HTMLElement {
    const { fingers, missing, missingReasons } = this.#words
    return make('li', {}, `${fingers[finger]}: ${missing} (${wordFor(missingReasons, reason)})`)
  }

  #showPrints(prints: readonly Print[]): void {
    if (prints === this.#prints) return
    this.#prints = prints
    for (const image of this.#images) image.wipe()
    this.#images = []
    this.#list.replaceChildren(...prints.map((print) => this.#printItem(print)))
  }

  #printItem({ captured, images }: Print): HTMLElement {
    const image = images.get('png')
    const name = wordFor(this.#words.fingers, captured.position)
    const shown = new Image(name)
    this.#images.push(shown)
    shown.show(image && { bytes: image, mediaType: 'image/png' })
    const { value, required_minimum: minimum, outcome } = captured.quality
    const quality =
      value === null
        ? ''
        : minimum === null
          ? filled(this.#words.quality, { value })
          : filled(this.#words.qualityOf, { value, minimum })
    return make(
      'li',
      {},
      shown.element,
      make(
        'div',
        {},
        make('strong', {}, name),
        make('p', { 'data-outcome': outcome }, `${this.#words.outcomes[outcome]}${quality === '' ? '' : `, ${quality}`}`),
        make('p', {}, filled(this.#words.attempt, { attempt: captured.attempt, of: captured.best_of })),
      ),
    )
  }
}

function option(value: string, text: string): HTMLOptionElement {
  return make('option', { value }, text)
}
