/** Printed zone, chip and seal side by side, field by field; and what was read of seals. */

import type { Barcode, Mrz } from 'borderpost-client'

import type { Lane } from '../lane/lane.ts'
import type { Traveller } from '../lane/traveller.ts'
import { wordFor, type Language, type Words } from '../words/words.ts'
import { dateText } from './documentView.ts'
import { Children, make, setShown, type View } from './dom.ts'

const FIELDS = [
  'primary_identifier',
  'secondary_identifier',
  'document_number',
  'nationality',
  'birth_date',
  'sex',
  'expiry_date',
  'issuer',
  'document_code',
  'optional_data',
] as const

interface Row {
  readonly label: string
  readonly values: readonly string[]
  /** Undefined where there is only one source. */
  readonly isEqual: boolean | undefined
}

/** View of the comparison. */
export class CompareView implements View {
  readonly root: HTMLElement
  readonly #words: Words
  readonly #language: Language
  readonly #table = make('table')
  readonly #rows = new Children(this.#table)
  readonly #details = make('dl', { class: 'fields' })
  readonly #detailItems = new Children(this.#details)
  readonly #seals = make('ul', { class: 'seals' })
  readonly #sealItems = new Children(this.#seals)
  readonly #deviations = make('ul')
  readonly #deviationItems = new Children(this.#deviations)
  readonly #deviationsPart: HTMLElement
  readonly #detailsPart: HTMLElement

  constructor(words: Words, language: Language) {
    this.#words = words
    this.#language = language
    this.#deviationsPart = make('div', {}, make('h3', {}, words.deviations), this.#deviations)
    this.#detailsPart = make('div', {}, make('h3', {}, words.details), this.#details)
    this.root = make(
      'div',
      { class: 'compare', tabindex: '0', role: 'group', 'aria-label': words.compared },
      make('h3', {}, words.compared),
      this.#table,
      this.#detailsPart,
      make('h3', {}, words.seals),
      this.#seals,
      this.#deviationsPart,
    )
  }

  show(lane: Lane): void {
    const { traveller } = lane
    if (traveller === undefined) {
      this.wipe()
      return
    }
    const sources = sourcesOf(traveller, this.#words)
    const rows = sources.length === 0 ? [] : this.#compared(sources.map(([, mrz]) => mrz))
    const names = sources.map(([name]) => name)
    this.#rows.show([names, rows], () => (rows.length === 0 ? [] : [this.#head(names), this.#body(rows)]))
    const details = this.#holderDetails(traveller)
    setShown(this.#detailsPart, details.length > 0)
    this.#detailItems.show(details, () =>
      details.flatMap(([label, value]) => [make('dt', {}, label), make('dd', {}, value)]),
    )
    const seals = traveller.barcodes.map((barcode) => this.#seal(barcode))
    this.#sealItems.show(seals, () =>
      seals.length === 0
        ? [make('li', {}, this.#words.noSeals)]
        : seals.map(([title, ...lines]) => make('li', {}, make('strong', {}, title), ...lines.map((line) => make('p', {}, line)))),
    )
    const deviations = (traveller.mrz?.deviations ?? []).map(({ text }) => text)
    setShown(this.#deviationsPart, deviations.length > 0)
    this.#deviationItems.show(deviations, () => deviations.map((text) => make('li', { lang: 'en' }, text)))
  }

  wipe(): void {
    for (const children of [this.#rows, this.#detailItems, this.#sealItems, this.#deviationItems]) children.wipe()
  }

  #compared(zones: readonly Mrz[]): Row[] {
    return FIELDS.map((name) => {
      const values = zones.map((zone) => this.#value(zone, name))
      return {
        label: this.#words.fields[name],
        values,
        isEqual: zones.length < 2 ? undefined : values.every((value) => value === values[0]),
      }
    }).filter(({ values }) => values.some((value) => value !== ''))
  }

  #value(mrz: Mrz, name: (typeof FIELDS)[number]): string {
    const value = mrz[name]
    if (value === null) return ''
    if (typeof value === 'string') return value
    return 'raw' in value ? dateText(value, this.#language) : value.filter((each) => each !== '').join(' ')
  }

  #head(names: readonly string[]): HTMLElement {
    const columns = [this.#words.field, ...names, ...(names.length > 1 ? [''] : [])]
    return make('thead', {}, make('tr', {}, ...columns.map((name) => (name === '' ? make('td') : make('th', { scope: 'col' }, name)))))
  }

  #body(rows: readonly Row[]): HTMLElement {
    return make('tbody', {}, ...rows.map((row) => this.#row(row)))
  }

  #row({ label, values, isEqual }: Row): HTMLElement {
    const row = make('tr', isEqual === false ? { class: 'differs' } : {}, make('th', { scope: 'row' }, label))
    row.append(...values.map((value) => make('td', {}, value || '–')))
    if (isEqual !== undefined) row.append(make('td', { class: 'verdict' }, isEqual ? this.#words.same : this.#words.differs))
    return row
  }

  #holderDetails({ chip }: Traveller): [string, string][] {
    const holder = chip?.holder
    if (holder == null) return []
    const { fields } = this.#words
    const found: [string, string | null][] = [
      [fields.full_name, holder.full_name],
      [fields.birth_date, holder.birth_date],
      [fields.birth_place, holder.birth_place],
      [fields.personal_number, holder.personal_number],
    ]
    return found.flatMap(([label, value]) => (value === null ? [] : [[label, value.replaceAll('<', ' ').trim()]]))
  }

  /** Return the title of a barcode, and lines of what was read of it. */
  #seal(barcode: Barcode): [string, ...string[]] {
    const title = wordFor(this.#words.barcodes, barcode.kind)
    if (barcode.fault !== null) return [title, wordFor(this.#words.sealFaults, barcode.fault)]
    const { vds, text } = barcode
    if (vds !== null) {
      const features = vds.features.map(({ name, text: said, number }) => `${name}: ${said ?? number ?? ''}`)
      return [title, `${vds.issuer} ${vds.signed_on ?? ''}`.trim(), ...features]
    }
    return text === null ? [title] : [title, text]
  }
}

/** Return the zones that can be compared, by where they are from. */
function sourcesOf(traveller: Traveller, words: Words): [string, Mrz][] {
  const found: [string, Mrz | null | undefined][] = [
    [words.inZone, traveller.mrz],
    [words.chip, traveller.chipMrz],
    ...traveller.barcodes.map((barcode): [string, Mrz | null] => [words.seal, barcode.vds?.mrz ?? barcode.mrz]),
  ]
  return found.flatMap(([name, mrz]) => (mrz == null ? [] : [[name, mrz]]))
}
