/** Examination: the page under each light, and zone, chip and seal compared field by field. */

import type { Lane } from '../lane/lane.ts'
import type { Language, Words } from '../words/words.ts'
import { CompareView } from './compareView.ts'
import { make, makeButton, type View } from './dom.ts'
import { LightsView } from './lightsView.ts'

/** Window over the lane's screen. */
export class ExamineView implements View {
  readonly root: HTMLDialogElement
  readonly #lights: LightsView
  readonly #compare: CompareView

  constructor(words: Words, language: Language) {
    this.#lights = new LightsView(words)
    this.#compare = new CompareView(words, language)
    const close = makeButton(words.close, () => this.close(), 'Escape')
    this.root = make(
      'dialog',
      { class: 'examine', 'aria-labelledby': 'examine-title' },
      make('header', {}, make('h2', { id: 'examine-title' }, words.examine), close),
      this.#lights.root,
      this.#compare.root,
    )
    this.root.addEventListener('keydown', (event) => this.#lights.onKey(event))
    this.root.addEventListener('close', () => this.#lights.stop())
  }

  /** True while it is open. */
  get isOpen(): boolean {
    return this.root.open
  }

  /** Open the window. */
  open(): void {
    if (this.root.open) return
    this.root.showModal()
    this.#lights.start()
  }

  /** Close the window; the focus goes back to where it was. */
  close(): void {
    this.root.close()
  }

  show(lane: Lane): void {
    if (!this.root.open) return
    this.#lights.show(lane)
    this.#compare.show(lane)
  }

  wipe(): void {
    if (this.root.open) this.root.close()
    this.#lights.wipe()
    this.#compare.wipe()
  }
}
