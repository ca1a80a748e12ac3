/** The whole screen of a lane: its parts, their places, and the keys. */

import type { Lane } from '../lane/lane.ts'
import { WARNING_S } from '../lane/deadlines.ts'
import { ChecksView } from '../views/checksView.ts'
import { DeviceStrip } from '../views/deviceStrip.ts'
import { DocumentView } from '../views/documentView.ts'
import { make, makeButton, setAttribute, setShown, setText, type View } from '../views/dom.ts'
import { ExamineView } from '../views/examineView.ts'
import { GateView } from '../views/gateView.ts'
import { NoticesView } from '../views/noticesView.ts'
import { PortraitsView } from '../views/portraitsView.ts'
import { PrintsView } from '../views/printsView.ts'
import { TakenView } from '../views/takenView.ts'
import { filled, type Language, type Words } from '../words/words.ts'

/** What the screen asks of its element. */
export interface ScreenOptions {
  readonly isTraining: boolean
  onLock(): void
  onEnd(): void
  onKeep(): void
}

/** Screen of one lane in one language. */
export class LaneScreen {
  readonly root: HTMLElement
  readonly #words: Words
  readonly #options: ScreenOptions
  readonly #name = make('strong', { class: 'lane-name' })
  readonly #simulated: HTMLElement
  readonly #portraits: PortraitsView
  readonly #prints: PrintsView
  readonly #gate: GateView
  readonly #examine: ExamineView
  readonly #work: HTMLElement
  readonly #views: readonly View[]
  readonly #examineButton: HTMLButtonElement
  readonly #endButton: HTMLButtonElement
  readonly #deadline = make('p', { class: 'deadline' })
  readonly #deadlineText = make('span')
  readonly #keep: HTMLButtonElement
  #lane: Lane | undefined
  /** Read aloud: when the warning begins, and that everything was wiped. */
  readonly #announced = make('p', { class: 'only-read', role: 'status' })

  constructor(words: Words, language: Language, options: ScreenOptions) {
    this.#words = words
    this.#options = options
    const strip = new DeviceStrip(words, language)
    const notices = new NoticesView(words, language)
    const taken = new TakenView(words, language)
    const document = new DocumentView(words, language, () => this.#openExamine())
    const checks = new ChecksView(words, language)
    this.#portraits = new PortraitsView(words, language)
    this.#prints = new PrintsView(words, language)
    this.#gate = new GateView(words, language)
    this.#examine = new ExamineView(words, language)
    this.#simulated = make('p', { class: 'simulated', role: 'note' }, options.isTraining ? words.training : words.simulated)
    this.#examineButton = makeButton(words.examine, () => this.#openExamine(), 'F8')
    this.#endButton = makeButton(words.end, options.onEnd, 'F10')
    this.#keep = makeButton(words.keep, options.onKeep)
    this.#deadline.append(this.#deadlineText, ' ', this.#keep)
    const lock = makeButton(words.lock, options.onLock, 'Alt+L')
    lock.classList.add('lock')
    const bar = make('header', { class: 'bar' }, this.#name, strip.root, lock)
    const main = make('div', { class: 'buttons main' }, this.#examineButton, this.#endButton, this.#deadline)
    const identity = make('div', { class: 'identity' }, document.root, main)
    const person = make('div', { class: 'person' }, this.#portraits.root, this.#prints.root)
    const verdict = make('div', { class: 'verdict' }, checks.root, this.#gate.root)
    this.#work = make('div', { class: 'work' }, identity, person, verdict)
    this.root = make(
      'div',
      { class: 'screen' },
      this.#simulated,
      bar,
      notices.root,
      taken.root,
      this.#work,
      this.#announced,
      this.#examine.root,
    )
    this.#views = [strip, notices, taken, document, this.#portraits, checks, this.#prints, this.#gate, this.#examine]
  }

  /** Show the present state. */
  show(lane: Lane): void {
    this.#lane = lane
    for (const view of this.#views) view.show(lane)
    const { traveller } = lane
    setText(this.#name, lane.name)
    setShown(this.#work, lane.claims.taken === undefined)
    setShown(this.#simulated, this.#options.isTraining || traveller?.isSimulated === true)
    this.#examineButton.disabled = traveller?.hasDocument !== true
    this.#endButton.disabled = traveller === undefined
    this.#showDeadline(lane)
  }

  /** Drop everything of a traveller, at once. */
  wipe(): void {
    for (const view of this.#views) view.wipe()
    setText(this.#announced, this.#words.wiped)
  }

  /** Take a key; returns true if it was one of ours. */
  onKey(event: KeyboardEvent): boolean {
    if (event.altKey && !event.ctrlKey && event.code === 'KeyL') {
      this.#options.onLock()
      return true
    }
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || event.repeat) return false
    const act = this.#keys()[event.key]
    if (act === undefined) return false
    // Under the window of the examination the lane's keys do nothing but close it.
    if (!this.#examine.isOpen) act()
    else if (event.key === 'F8') this.#examine.close()
    return true
  }

  #keys(): Readonly<Record<string, () => void>> {
    return {
      F2: () => this.#portraits.press(),
      F4: () => this.#prints.press(),
      F8: () => this.#openExamine(),
      F9: () => this.#gate.press(),
      F10: () => this.#endButton.click(),
    }
  }

  #openExamine(): void {
    if (this.#examineButton.disabled) return
    this.#examine.open()
    if (this.#lane !== undefined) this.#examine.show(this.#lane)
  }

  #showDeadline({ deadline }: Lane): void {
    const isNear = deadline !== undefined && deadline.leftS <= WARNING_S
    const sentence = deadline?.action === 'lock' ? this.#words.lockSoon : this.#words.wipeSoon
    const text = isNear ? filled(sentence, { seconds: Math.max(0, Math.ceil(deadline.leftS)) }) : ''
    if (isNear && this.#deadline.hidden) setText(this.#announced, text)
    setText(this.#deadlineText, text)
    setShown(this.#keep, deadline?.isKeepable === true)
    setShown(this.#deadline, isNear)
    setAttribute(this.#deadline, 'data-action', isNear ? deadline.action : undefined)
  }
}
