/** Sentences of the contract for checks, reasons and causes: `config/contract/vocabularies.json`. */

import vocabularies from 'vocabularies'

import type { Language } from './words.ts'

/** Title and sentence of a word. */
export interface Sentence {
  readonly title: string
  /** Empty for a word that came after this version. */
  readonly sentence: string
}

interface Entry {
  readonly title: Readonly<Record<Language, string>>
  readonly sentence: Readonly<Record<Language, string>>
}

const TABLES: Readonly<Record<keyof typeof vocabularies, Readonly<Record<string, Entry>>>> = vocabularies

/** Return title and sentence of a word; the word itself where it is not known. */
export function sentenceFor(table: keyof typeof vocabularies, word: string, language: Language): Sentence {
  const known = TABLES[table]
  const entry = Object.hasOwn(known, word) ? known[word] : undefined
  return entry === undefined
    ? { title: word, sentence: '' }
    : { title: entry.title[language], sentence: entry.sentence[language] }
}
