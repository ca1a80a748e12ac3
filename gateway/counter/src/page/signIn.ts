/** Form before the lane: lane, name and password of the counter. It is also the officer's lock. */

import { StationKey } from 'borderpost-client'

import { make, setShown, setText } from '../views/dom.ts'
import type { Words } from '../words/words.ts'
import { remembered } from './remembered.ts'
import type { CounterSettings } from './settings.ts'

/** What was entered. */
export interface Credentials {
  readonly lane: string
  readonly name: string
  readonly password: string
}

/** Why the form is shown. */
export type SignInReason = 'first' | 'locked' | 'locked_by_time'

/** The form. */
export class SignIn {
  readonly root: HTMLElement
  readonly #words: Words
  readonly #lane: HTMLSelectElement
  readonly #name: HTMLInputElement
  readonly #password: HTMLInputElement
  readonly #begin: HTMLButtonElement
  readonly #status = make('p', { class: 'status', role: 'status' })

  constructor(words: Words, settings: CounterSettings, reason: SignInReason, begin: (entered: Credentials) => void) {
    this.#words = words
    const known = remembered()
    const lanes = Object.keys(settings.lanes)
    this.#lane = make('select', { id: 'lane', autocomplete: 'off' }, ...lanes.map((lane) => make('option', { value: lane }, lane)))
    if (known.lane !== undefined && lanes.includes(known.lane)) this.#lane.value = known.lane
    this.#name = make('input', { id: 'name', autocomplete: 'off', required: '', spellcheck: 'false', maxlength: '64' })
    this.#name.value = known.name ?? ''
    this.#password = make('input', { id: 'password', type: 'password', autocomplete: 'off', maxlength: '200' })
    this.#password.required = settings.passwords
    const isLocked = reason !== 'first'
    this.#begin = make('button', { type: 'submit', 'data-main': '' }, isLocked ? words.unlock : words.begin)
    const form = make(
      'form',
      { autocomplete: 'off' },
      field(words.lane, this.#lane),
      field(words.counterName, this.#name),
      ...(settings.passwords ? [field(words.password, this.#password)] : []),
      this.#begin,
      this.#status,
    )
    form.addEventListener('submit', (event) => {
      event.preventDefault()
      this.#submit(begin)
    })
    const text = isLocked ? words.lockedText : words.signedOut
    this.root = make(
      'section',
      { class: 'sign-in' },
      make('h2', {}, isLocked ? words.locked : `${words.counter} ${settings.site}`),
      ...(reason === 'locked_by_time' ? [make('p', {}, words.lockedByTime)] : []),
      make('p', {}, text),
      form,
      ...(settings.sign ? [this.#keyPart()] : []),
    )
    if (settings.sign && !globalThis.isSecureContext) this.fail(words.insecure)
  }

  /** Put the focus where something is to be entered. */
  focus(): void {
    const empty = [this.#name, this.#password].find((input) => input.isConnected && input.value === '')
    const first = empty ?? this.#begin
    first.focus()
  }

  /** Say that the page tries, and why it has not succeeded yet. */
  wait(text: string): void {
    this.#begin.disabled = true
    setText(this.#status, text)
  }

  /** Say why it has failed; it may be tried again. */
  fail(text: string): void {
    this.#begin.disabled = false
    setText(this.#status, text)
  }

  #submit(begin: (entered: Credentials) => void): void {
    const entered = { lane: this.#lane.value, name: this.#name.value.trim(), password: this.#password.value }
    this.#password.value = ''
    begin(entered)
  }

  /** Public half of the counter's key, for `borderpost trust enrol`. */
  #keyPart(): HTMLElement {
    const id = make('p', { class: 'mono' })
    const line = make('pre', { class: 'mono', 'aria-label': this.#words.keyOf, role: 'group' })
    const shown = make('div', {}, make('p', {}, this.#words.keyText), line, make('p', {}, `${this.#words.keyId}: `), id)
    setShown(shown, false)
    const part = make('details', {}, make('summary', {}, this.#words.keyOf), shown)
    part.addEventListener('toggle', () => {
      const name = this.#name.value.trim()
      if (!part.open || name === '' || !globalThis.isSecureContext) return
      void StationKey.kept(name)
        .then((key) => key.enrolment())
        .then(({ kid, publicKey }) => {
          setText(id, kid)
          setText(line, `borderpost trust enrol ${name} ${publicKey}`)
          setShown(shown, true)
        })
    })
    return part
  }
}

function field(label: string, input: HTMLElement): HTMLElement {
  return make('div', { class: 'field' }, make('label', { for: input.id }, label), input)
}
