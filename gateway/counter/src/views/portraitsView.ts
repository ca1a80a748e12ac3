/** Portraits side by side: printed, in the chip, and at the counter. */

import type { Lane } from '../lane/lane.ts'
import type { Traveller } from '../lane/traveller.ts'
import { sentenceFor } from '../words/vocabularies.ts'
import { wordFor, type Language, type Words } from '../words/words.ts'
import { make, makeButton, setAttribute, setShown, setText, type View } from './dom.ts'
import { failureText } from './failures.ts'
import { Figure } from './images.ts'

/** View of the three portraits, with the camera's preview and its advice. */
export class PortraitsView implements View {
  readonly root: HTMLElement
  readonly #words: Words
  readonly #language: Language
  readonly #printed: Figure
  readonly #chip: Figure
  readonly #counter: Figure
  readonly #progress = make('progress', { max: '1' })
  readonly #progressText = make('span')
  readonly #chipLine: HTMLElement
  readonly #advice = make('p', { class: 'advice', role: 'status' })
  readonly #failure = make('p', { class: 'failure', role: 'alert' })
  readonly #take: HTMLButtonElement
  readonly #cancel: HTMLButtonElement
  #lane: Lane | undefined

  constructor(words: Words, language: Language) {
    this.#words = words
    this.#language = language
    this.#printed = new Figure(words.printed, words.cannotShow, 'portrait')
    this.#chip = new Figure(words.inChip, words.cannotShow, 'portrait')
    this.#counter = new Figure(words.atCounter, words.cannotShow, 'portrait')
    setAttribute(this.#progress, 'aria-label', words.chipReading)
    this.#chipLine = make('p', { class: 'chip-line' }, this.#progressText, this.#progress)
    this.#take = makeButton(words.preview, () => this.press(), 'F2')
    this.#cancel = makeButton(words.cancel, () => this.#lane?.actions.stopPreview())
    this.root = make(
      'section',
      { class: 'portraits', 'aria-label': words.portraits },
      make('h2', {}, words.portraits),
      make('div', { class: 'three' }, this.#printed.root, this.#chip.root, this.#counter.root),
      this.#chipLine,
      this.#advice,
      this.#failure,
      make('div', { class: 'buttons' }, this.#take, this.#cancel),
    )
  }

  /** Begin the preview, or take the picture. */
  press(): void {
    const actions = this.#lane?.actions
    if (actions === undefined || !actions.isPossible('portrait')) return
    void (actions.isPreviewing ? actions.takePortrait() : actions.startPreview())
  }

  show(lane: Lane): void {
    this.#lane = lane
    const { traveller, actions } = lane
    const words = this.#words
    this.#printed.show(traveller?.printedFace, traveller?.document === undefined ? '' : words.noPrinted)
    this.#chip.show(traveller?.chipFace, traveller === undefined ? '' : this.#whyNoChipFace(traveller))
    const taken = traveller?.portrait?.image
    const live = actions.frame ?? (taken?.length === 0 ? undefined : taken)
    this.#counter.show(
      live && { bytes: live, mediaType: 'image/jpeg' },
      traveller === undefined && !actions.isPreviewing ? '' : words.noPortrait,
    )
    for (const figure of [this.#printed, this.#chip]) figure.setStale(lane.isStale && traveller !== undefined)
    this.#counter.setStale(lane.isStale && live !== undefined)
    setAttribute(this.root, 'data-stale', lane.isStale && traveller !== undefined ? '' : undefined)
    this.#showProgress(traveller)
    const advice = actions.isPreviewing ? lane.faceAdvice : undefined
    setText(this.#advice, advice === undefined ? '' : wordFor(words.faceAdvice, advice))
    const failure = actions.failure('portrait')
    setText(this.#failure, failure === undefined ? '' : failureText(failure, words, this.#language))
    setShown(this.#failure, failure !== undefined)
    this.#showButtons(lane)
  }

  wipe(): void {
    for (const figure of [this.#printed, this.#chip, this.#counter]) figure.wipe()
    setText(this.#advice, '')
    setText(this.#failure, '')
    setText(this.#progressText, '')
    setShown(this.#chipLine, false)
  }

  #showButtons({ traveller, actions }: Lane): void {
    const words = this.#words
    const isTaken = traveller?.portrait !== undefined
    const label = actions.isPreviewing ? words.takePicture : isTaken ? words.takeAgain : words.preview
    setText(this.#take.querySelector('.label') ?? this.#take, actions.isCapturing ? words.taking : label)
    this.#take.disabled = !actions.isPossible('portrait') || actions.isRunning('portrait')
    setAttribute(this.#take, 'data-main', actions.isPreviewing ? '' : undefined)
    setShown(this.#cancel, actions.isPreviewing)
  }

  #showProgress(traveller: Traveller | undefined): void {
    const progress = traveller?.chipProgress
    setShown(this.#chipLine, progress !== undefined)
    if (progress === undefined) return
    const stage = wordFor(this.#words.chipStages, progress.stage)
    setText(this.#progressText, `${this.#words.chipReading}: ${stage} ${progress.file ?? ''}`.trim())
    const { bytes_read: read, bytes_total: total } = progress
    if (read === null || total === null || total === 0) this.#progress.removeAttribute('value')
    else this.#progress.value = read / total
  }

  /** Say why there is no portrait of the chip: the reason of the first check that shows it. */
  #whyNoChipFace(traveller: Traveller): string {
    if (traveller.chip === undefined && traveller.document === undefined) return ''
    const access = traveller.checks.get('chip.access')
    if (access?.reason == null) return this.#words.noChipFace
    const { title, sentence } = sentenceFor('check_reasons', access.reason, this.#language)
    return sentence || title
  }
}
