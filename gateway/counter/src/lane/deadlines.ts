/** Deadlines of a screen: when a traveller is wiped, and when the counter locks itself. Pure; the clock is given. */

/** Times of a screen, in seconds. */
export interface DeadlineOptions {
  /** From the removal of the document, or the last event or key after it, to the wiping. */
  readonly wipeAfterS: number
  /** From the passage to the wiping. */
  readonly wipeAfterPassageS: number
  /** From the loss of the link to the wiping. */
  readonly wipeAfterLossS: number
  /** From the last key, touch or event to the lock; 0: never. */
  readonly lockAfterS: number
}

export const DEFAULT_DEADLINES: DeadlineOptions = {
  wipeAfterS: 60,
  wipeAfterPassageS: 10,
  wipeAfterLossS: 20,
  lockAfterS: 300,
}
/** Time for which a person is warned, in seconds: at least 20 to keep the screen (WCAG 2.2, 2.2.1). */
export const WARNING_S = 20

/** What must be done at a moment. */
export type DueAction = 'wipe' | 'lock'

/** Facts on which the deadlines depend. */
export interface ScreenFacts {
  readonly hasTraveller: boolean
  /** True once the document is gone, or where there was none. */
  readonly isDocumentGone: boolean
  readonly hasPassed: boolean
  readonly isLinkLost: boolean
}

/** The next deadline of a screen. */
export interface Deadline {
  readonly action: DueAction
  readonly leftS: number
  /** True if a key or a touch prolongs it. */
  readonly isKeepable: boolean
}

/** Keeps the moments from which the deadlines count. */
export class Deadlines {
  readonly #options: DeadlineOptions
  #activeS: number
  #lostS: number | undefined
  #passedS: number | undefined

  constructor(options: DeadlineOptions, nowS: number) {
    this.#options = options
    this.#activeS = nowS
  }

  /** Take a key, a touch, or an event of the traveller: it prolongs all but the loss of the link. */
  onActivity(nowS: number): void {
    this.#activeS = nowS
    if (this.#passedS !== undefined) this.#passedS = nowS
  }

  /** Return the next deadline; undefined while there is none. */
  next(facts: ScreenFacts, nowS: number): Deadline | undefined {
    this.#lostS = facts.isLinkLost ? (this.#lostS ?? nowS) : undefined
    this.#passedS = facts.hasPassed ? (this.#passedS ?? nowS) : undefined
    const due: Deadline[] = []
    const until = (action: DueAction, endS: number, isKeepable = true) => ({ action, leftS: endS - nowS, isKeepable })
    if (facts.hasTraveller) {
      const { wipeAfterS, wipeAfterPassageS, wipeAfterLossS } = this.#options
      if (facts.isDocumentGone) due.push(until('wipe', this.#activeS + wipeAfterS))
      if (this.#passedS !== undefined) due.push(until('wipe', this.#passedS + wipeAfterPassageS))
      if (this.#lostS !== undefined) due.push(until('wipe', this.#lostS + wipeAfterLossS, false))
    }
    if (this.#options.lockAfterS > 0) due.push(until('lock', this.#activeS + this.#options.lockAfterS))
    return due.sort((one, other) => one.leftS - other.leftS)[0]
  }
}
