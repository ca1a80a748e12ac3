/**
 * `<borderpost-lane>`: one lane at a counter, for any page.
 *
 *     const lane = document.querySelector('borderpost-lane')
 *     lane.begin(workstation, { lane: 'lane-1', positions: ['lane-1/reader', 'lane-1/barrier'] })
 *
 * Attributes: `language` (en, sw, fr). Events: `borderpost-lock` when the officer or the time locks the counter,
 * `borderpost-wiped` when everything of a traveller was dropped. Neither carries data of a person.
 */

import type { Workstation } from 'borderpost-client'

import { DEFAULT_DEADLINES, type DeadlineOptions } from '../lane/deadlines.ts'
import { Lane, type WipeReason } from '../lane/lane.ts'
import { chooseLanguage, isLanguage, wordsOf, type Language } from '../words/words.ts'
import styles from './lane.css'
import { LaneScreen } from './laneScreen.ts'
import { Ticks } from './ticks.ts'

/** Options of a lane. */
export interface LaneOptions extends Partial<DeadlineOptions> {
  /** Lane, such as `lane-1`. */
  readonly lane: string
  /** Devices of the lane, such as `lane-1/reader`. */
  readonly positions: readonly string[]
  /** True at a training post: says so on the screen. */
  readonly training?: boolean
}

/** Detail of the event `borderpost-lock`. */
export interface LockDetail {
  /** True if nobody used the counter; false if the officer has locked it. */
  readonly byTime: boolean
}

/** The element. Without `begin` it is empty. */
export class BorderpostLane extends HTMLElement {
  static readonly observedAttributes = ['language']
  readonly #root = this.attachShadow({ mode: 'open' })
  readonly #ticks = new Ticks(() => this.#lane?.tick())
  #lane: Lane | undefined
  #options: LaneOptions | undefined
  #screen: LaneScreen | undefined
  #isShowing = false
  readonly #onHidden = () => this.#lane?.wipe('hidden')

  constructor() {
    super()
    const sheet = new CSSStyleSheet()
    sheet.replaceSync(styles)
    this.#root.adoptedStyleSheets = [sheet]
    for (const kind of ['pointerdown', 'keydown'] as const) {
      this.addEventListener(kind, () => this.#lane?.onActivity())
    }
  }

  /** Language of the screen; English, unless the attribute names another one. */
  get language(): Language {
    const named = this.getAttribute('language')
    return isLanguage(named) ? named : chooseLanguage([document.documentElement.lang])
  }

  /** Serve a lane with a workstation, which stays the caller's to close. */
  begin(workstation: Workstation, options: LaneOptions): void {
    if (this.#lane !== undefined) throw new Error('this element serves a lane already: end it first')
    const deadlines = { ...DEFAULT_DEADLINES, ...options }
    this.#options = options
    this.#lane = new Lane(options.lane, workstation, options.positions, deadlines, {
      onChanged: () => this.#showSoon(),
      onWiped: (reason) => this.#onWiped(reason),
      onLockDue: () => this.#lock(true),
    })
    this.#build()
    this.#ticks.start()
    void this.#lane.run()
    this.#lane.tick()
    // A page that is left, or put into the browser's memory, holds nothing.
    window.addEventListener('pagehide', this.#onHidden)
    document.addEventListener('freeze', this.#onHidden)
    document.addEventListener('keydown', this.#onKey)
  }

  /** Wipe everything, and release the lane. */
  async end(): Promise<void> {
    const lane = this.#lane
    if (lane === undefined) return
    const ended = lane.end()
    this.#lane = undefined
    this.#ticks.stop()
    window.removeEventListener('pagehide', this.#onHidden)
    document.removeEventListener('freeze', this.#onHidden)
    document.removeEventListener('keydown', this.#onKey)
    this.#screen?.wipe()
    this.#screen = undefined
    this.#root.replaceChildren()
    await ended
  }

  attributeChangedCallback(): void {
    if (this.#lane !== undefined) this.#build()
  }

  disconnectedCallback(): void {
    void this.end()
  }

  /** Keys work wherever the focus is in the page. */
  readonly #onKey = (event: KeyboardEvent): void => {
    if (this.#screen?.onKey(event) === true) event.preventDefault()
  }

  #build(): void {
    const { language } = this
    this.lang = language
    this.#screen?.wipe()
    this.#screen = new LaneScreen(wordsOf(language), language, {
      isTraining: this.#options?.training === true,
      onLock: () => this.#lock(false),
      onEnd: () => this.#lane?.wipe('officer'),
      onKeep: () => this.#lane?.onActivity(),
    })
    this.#root.replaceChildren(this.#screen.root)
    if (this.#lane !== undefined) this.#screen.show(this.#lane)
  }

  #lock(byTime: boolean): void {
    this.#lane?.wipe('locked')
    this.dispatchEvent(new CustomEvent<LockDetail>('borderpost-lock', { bubbles: true, detail: { byTime } }))
  }

  #onWiped(reason: WipeReason): void {
    if (reason !== 'next') this.#screen?.wipe() // the next traveller replaces what is shown
    this.dispatchEvent(new CustomEvent('borderpost-wiped', { bubbles: true, detail: { reason } }))
  }

  /** Show all changes of one moment at once. */
  #showSoon(): void {
    if (this.#isShowing) return
    this.#isShowing = true
    queueMicrotask(() => {
      this.#isShowing = false
      if (this.#lane !== undefined) this.#screen?.show(this.#lane)
    })
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'borderpost-lane': BorderpostLane
  }
}

customElements.define('borderpost-lane', BorderpostLane)
