/** Fields of the document, as soon as its zone is known. */

import type { DigitCheck, Mrz, MrzDate } from 'borderpost-client'

import type { Lane } from '../lane/lane.ts'
import type { Traveller } from '../lane/traveller.ts'
import { sentenceFor } from '../words/vocabularies.ts'
import { filled, wordFor, type Language, type Words } from '../words/words.ts'
import { Children, make, setAttribute, setShown, setText, type View } from './dom.ts'
import { Image, isShowable } from './images.ts'

/** Fields in the order in which an officer reads them. */
const FIELDS = [
  'primary_identifier',
  'secondary_identifier',
  'document_number',
  'nationality',
  'birth_date',
  'sex',
  'expiry_date',
  'issuer',
  'second_number',
  'issue_date',
  'optional_data',
] as const

interface Shown {
  readonly label: string
  readonly value: string
  readonly remark: string
  readonly isWrong: boolean
}

/** View of one document. */
export class DocumentView implements View {
  readonly root: HTMLElement
  readonly #words: Words
  readonly #language: Language
  readonly #kind = make('span', { class: 'kind' })
  readonly #status = make('p', { class: 'reading', role: 'status' })
  readonly #fields = make('dl', { class: 'fields' })
  readonly #shownFields = new Children(this.#fields)
  readonly #zone: HTMLElement
  readonly #page: Image
  readonly #pageButton: HTMLButtonElement
  readonly #waiting: HTMLElement
  readonly #unreadable: HTMLElement
  readonly #unreadableWhy = make('p')

  /** `examine`: opens the examination. */
  constructor(words: Words, language: Language, examine: () => void) {
    this.#words = words
    this.#language = language
    this.#page = new Image(words.examine)
    this.#pageButton = make('button', { type: 'button', class: 'page-small' }, this.#page.element)
    this.#pageButton.addEventListener('click', examine)
    this.#zone = make('pre', { class: 'zone', 'aria-label': words.zone, role: 'group' })
    this.#waiting = make(
      'div',
      { class: 'waiting' },
      make('p', { class: 'large' }, words.waiting),
      make('p', {}, words.waitingText),
    )
    this.#unreadable = make(
      'div',
      { class: 'note bad' },
      make('p', { class: 'large' }, words.zoneUnreadable),
      this.#unreadableWhy,
      make('p', {}, words.zoneUnreadableText),
    )
    const heading = make('h2', {}, words.document, ' ', this.#kind)
    this.root = make(
      'section',
      { class: 'document', 'aria-label': words.document },
      heading,
      this.#waiting,
      this.#unreadable,
      this.#fields,
      this.#zone,
      this.#status,
      this.#pageButton,
    )
  }

  show(lane: Lane): void {
    const { traveller } = lane
    const mrz = traveller?.mrz
    setShown(this.#waiting, traveller?.hasDocument !== true)
    setText(this.#kind, mrz === undefined ? '' : this.#kindOf(mrz))
    const shown = mrz === undefined ? [] : this.#shown(mrz)
    this.#shownFields.show(shown, () => shown.flatMap(fieldItems))
    setShown(this.#fields, shown.length > 0)
    setText(this.#zone, (traveller?.lines ?? []).join('\n'))
    setShown(this.#zone, (traveller?.lines.length ?? 0) > 0)
    const page = traveller?.image('page_visible')
    this.#page.show(page !== undefined && isShowable(page) ? page : undefined)
    setShown(this.#pageButton, page !== undefined)
    const whyUnreadable = traveller && this.#whyUnreadable(traveller)
    setShown(this.#unreadable, whyUnreadable !== undefined)
    setText(this.#unreadableWhy, whyUnreadable ?? '')
    const isUnreadable = whyUnreadable !== undefined
    setText(this.#status, traveller === undefined || isUnreadable ? '' : this.#statusOf(traveller))
    setAttribute(this.root, 'data-stale', lane.isStale && traveller !== undefined ? '' : undefined)
  }

  wipe(): void {
    this.#page.wipe()
    setText(this.#kind, '')
    setText(this.#zone, '')
    setText(this.#status, '')
    this.#shownFields.wipe()
  }

  #kindOf(mrz: Mrz): string {
    const first = mrz.document_code.slice(0, 1)
    return `${wordFor(this.#words.kinds, first)} (${mrz.document_code} ${mrz.issuer})`
  }

  /** Return why the zone could not be read; undefined while it may come, or if it was. */
  #whyUnreadable(traveller: Traveller): string | undefined {
    if (traveller.document === undefined || traveller.mrz !== undefined) return undefined
    const check = traveller.checks.get('mrz.check_digits')
    if (check?.reason === 'no_mrz') return undefined
    return check?.reason == null ? '' : sentenceFor('check_reasons', check.reason, this.#language).sentence
  }

  #statusOf(traveller: Traveller): string {
    const { document } = traveller
    if (!traveller.hasDocument) return ''
    if (traveller.isDocumentPresent === false && document?.trigger !== 'swipe') return this.#words.removed
    if (document === undefined) return this.#words.reading
    if (document.end_reason === 'complete') return this.#words.readComplete
    const why = sentenceFor('check_reasons', END_REASONS[document.end_reason] ?? document.end_reason, this.#language)
    return `${this.#words.readIncomplete} ${why.sentence || why.title}`
  }

  #shown(mrz: Mrz): Shown[] {
    return FIELDS.flatMap((name) => {
      const value = this.#value(mrz, name)
      if (value === '' && name !== 'secondary_identifier') return []
      const digit = mrz.digits.find(({ field }) => field === name)
      const isWrong = digit?.result === 'failed' || digit?.result === 'unreadable'
      return [{ label: this.#words.fields[name], value: value || '–', remark: this.#remark(mrz, name, digit), isWrong }]
    })
  }

  #value(mrz: Mrz, name: (typeof FIELDS)[number]): string {
    switch (name) {
      case 'birth_date':
      case 'expiry_date':
      case 'issue_date':
        return dateText(mrz[name], this.#language)
      case 'sex':
        return mrz.sex === null ? '' : this.#words.sexes[mrz.sex]
      case 'optional_data':
        return mrz.optional_data.filter((each) => each !== '').join(' ')
      default:
        return mrz[name] ?? ''
    }
  }

  #remark(mrz: Mrz, name: (typeof FIELDS)[number], digit: DigitCheck | undefined): string {
    if (digit?.result === 'failed') return this.#words.digitWrong
    if (digit?.result === 'unreadable') return this.#words.digitUnreadable
    if (name === 'secondary_identifier' && mrz.name_truncated) return this.#words.nameCut
    if (name !== 'birth_date') return ''
    const years = ageOf(mrz.birth_date, new Date())
    return years === undefined ? '' : filled(this.#words.years, { years })
  }
}

/** Reasons of an early end, by the contract's words for reasons of checks. */
const END_REASONS: Readonly<Record<string, string>> = {
  removed: 'document_removed',
  replaced: 'document_replaced',
  reader_lost: 'reader_lost',
}

/** Write a date of a zone; as it is printed where a part is unknown. */
export function dateText(date: MrzDate | null, language: Language): string {
  if (date === null) return ''
  const { year, month, day, raw } = date
  if (year === null || month === null || day === null) return raw
  const format = { day: '2-digit', month: 'short', year: 'numeric', timeZone: 'UTC' } as const
  return new Intl.DateTimeFormat(language === 'en' ? 'en-GB' : language, format).format(Date.UTC(year, month - 1, day))
}

/** Return the age in years at a moment; undefined where a part of the date is unknown. */
export function ageOf(date: MrzDate | null, at: Date): number | undefined {
  if (date === null || date.year === null || date.month === null || date.day === null) return undefined
  const isBefore = at.getMonth() + 1 < date.month || (at.getMonth() + 1 === date.month && at.getDate() < date.day)
  return at.getFullYear() - date.year - (isBefore ? 1 : 0)
}

function fieldItems({ label, value, remark, isWrong }: Shown): HTMLElement[] {
  const shown = make('dd', isWrong ? { class: 'wrong' } : {}, make('span', { class: 'value' }, value))
  if (remark !== '') shown.append(' ', make('span', { class: 'remark' }, remark))
  return [make('dt', {}, label), shown]
}
