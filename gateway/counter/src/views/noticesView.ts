/** Notices above everything: lost link, read to be repeated, alarm and passage at the gate. */

import type { Lane, Notice } from '../lane/lane.ts'
import { filled, wordFor, type Language, type Words } from '../words/words.ts'
import { Children, make, makeButton, type View } from './dom.ts'

interface Shown {
  readonly title: string
  readonly text: string
  readonly light: 'bad' | 'warn' | 'wait'
  readonly kind: Notice['kind'] | undefined
}

/** View of the notices; each is read by a screen reader when it appears. */
export class NoticesView implements View {
  readonly root: HTMLElement
  readonly #words: Words
  readonly #language: Language
  readonly #items: Children

  constructor(words: Words, language: Language) {
    this.#words = words
    this.#language = language
    this.root = make('div', { class: 'notices', role: 'alert' })
    this.#items = new Children(this.root)
  }

  show(lane: Lane): void {
    const shown = this.#shown(lane)
    this.#items.show(shown, () => shown.map((one) => this.#item(one, lane)))
  }

  wipe(): void {
    this.#items.wipe()
  }

  #shown(lane: Lane): Shown[] {
    const words = this.#words
    const shown: Shown[] = []
    if (lane.lostSince !== undefined) {
      const time = lane.lostSince.toLocaleTimeString(this.#language === 'en' ? 'en-GB' : this.#language)
      shown.push({ title: filled(words.linkLost, { time }), text: words.linkLostText, light: 'bad', kind: undefined })
    } else if (lane.isConnected && lane.isStale) {
      shown.push({ title: words.gatewayLost, text: words.linkLostText, light: 'bad', kind: undefined })
    }
    for (const notice of lane.notices.values()) shown.push(this.#notice(notice))
    return shown
  }

  #notice(notice: Notice): Shown {
    const words = this.#words
    switch (notice.kind) {
      case 'read_failed':
        return { title: words.readAgain, text: wordFor(words.frameFaults, notice.fault), light: 'warn', kind: notice.kind }
      case 'alarm':
        return { title: words.alarm, text: wordFor(words.alarms, notice.alarm.kind), light: 'bad', kind: notice.kind }
      case 'passage':
        return { ...this.#passage(notice), kind: notice.kind }
    }
  }

  #passage(notice: Notice & { kind: 'passage' }): { title: string; text: string; light: Shown['light'] } {
    const words = this.#words
    if (notice.isTailgating) return { title: words.gate, text: words.passedTailgating, light: 'bad' }
    if (notice.isReverse) return { title: words.gate, text: words.passedReverse, light: 'bad' }
    if (!notice.isPermitted) return { title: words.gate, text: words.passedWithoutPermit, light: 'bad' }
    return { title: words.gate, text: words.passed, light: 'wait' }
  }

  #item({ title, text, light, kind }: Shown, lane: Lane): HTMLElement {
    const item = make('div', { class: `note ${light}` }, make('p', {}, make('strong', {}, title), ' ', text))
    if (kind !== undefined) item.append(makeButton(this.#words.dismiss, () => lane.dismiss(kind)))
    return item
  }
}
