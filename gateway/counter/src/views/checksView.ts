/** Checks in plain words, worst first: the outcomes stay apart, and are never summed up to a yes. */

import type { Check, Outcome } from 'borderpost-client'

import type { Lane } from '../lane/lane.ts'
import { sentenceFor } from '../words/vocabularies.ts'
import type { Language, Words } from '../words/words.ts'
import { Children, make, setAttribute, setShown, type View } from './dom.ts'

const ORDER: readonly Outcome[] = ['failed', 'undetermined', 'aborted', 'unknown', 'not_supported', 'successful']
const WEIGHTS = ['mandatory', 'optional', 'evaluatory', 'unknown']

interface Shown {
  readonly outcome: Outcome
  readonly title: string
  readonly sentence: string
  readonly weight: string
}

/** View of all checks. */
export class ChecksView implements View {
  readonly root: HTMLElement
  readonly #words: Words
  readonly #language: Language
  readonly #counts: Children
  readonly #countsList: HTMLElement
  readonly #list: Children
  readonly #empty: HTMLElement

  constructor(words: Words, language: Language) {
    this.#words = words
    this.#language = language
    this.#countsList = make('ul', { class: 'counts' })
    const list = make('ul', { class: 'checks-list', tabindex: '0', 'aria-label': words.checks })
    this.#counts = new Children(this.#countsList)
    this.#list = new Children(list)
    this.#empty = make('p', { class: 'quiet' }, words.noChecks)
    this.root = make(
      'section',
      { class: 'checks', 'aria-label': words.checks },
      make('h2', {}, words.checks),
      this.#empty,
      this.#countsList,
      list,
    )
  }

  show(lane: Lane): void {
    const checks = worstFirst([...(lane.traveller?.checks.values() ?? [])])
    const shown = checks.map((check) => this.#shown(check))
    const counts = ORDER.map((outcome) => [outcome, shown.filter((one) => one.outcome === outcome).length] as const)
    this.#counts.show(counts, () => counts.filter(([, count]) => count > 0).map((each) => this.#countItem(...each)))
    this.#list.show(shown, () => shown.map((each) => this.#item(each)))
    setShown(this.#empty, shown.length === 0)
    setShown(this.#countsList, shown.length > 0)
    setAttribute(this.root, 'data-stale', lane.isStale && shown.length > 0 ? '' : undefined)
  }

  wipe(): void {
    this.#counts.wipe()
    this.#list.wipe()
  }

  #shown({ id, outcome, reason, text, weight }: Check): Shown {
    const named = sentenceFor('check_ids', id, this.#language)
    const why = reason === null ? undefined : sentenceFor('check_reasons', reason, this.#language)
    const isSuccessful = outcome === 'successful'
    const general = sentenceFor('check_outcomes', outcome, this.#language).sentence
    const sentence = isSuccessful ? named.sentence : why?.sentence || text || general
    return { outcome, title: named.title, sentence, weight: weightText(weight, this.#words) }
  }

  #countItem(outcome: Outcome, count: number): HTMLElement {
    return make('li', { 'data-outcome': outcome }, mark(), `${count} `, this.#words.outcomes[outcome])
  }

  #item({ outcome, title, sentence, weight }: Shown): HTMLElement {
    const head = make('p', { class: 'head' }, mark(), make('strong', {}, title), ' ')
    head.append(make('span', { class: 'outcome' }, this.#words.outcomes[outcome]))
    if (weight !== '') head.append(' ', make('span', { class: 'weight' }, weight))
    return make('li', { 'data-outcome': outcome }, head, make('p', { class: 'sentence' }, sentence))
  }
}

/** Sort checks: the worst outcome first, then those that count. */
export function worstFirst(checks: readonly Check[]): Check[] {
  const rank = ({ outcome, weight, id }: Check): [number, number, string] => [
    ORDER.indexOf(outcome),
    WEIGHTS.indexOf(weight),
    id,
  ]
  return [...checks].sort((one, other) => {
    const [outcome, weight, id] = rank(one)
    const [otherOutcome, otherWeight, otherId] = rank(other)
    return outcome - otherOutcome || weight - otherWeight || (id < otherId ? -1 : 1)
  })
}

function weightText(weight: string, words: Words): string {
  return weight === 'optional' || weight === 'evaluatory' ? `(${words.weights[weight]})` : ''
}

function mark(): HTMLElement {
  return make('span', { class: 'mark', 'aria-hidden': 'true' })
}
