/** Languages of the page, and the choice among them. */

import { en, type Words } from './en.ts'
import { fr } from './fr.ts'
import { sw } from './sw.ts'

export type { Words } from './en.ts'

/** Languages of the page, as in `vocabularies.json`. */
export type Language = 'en' | 'sw' | 'fr'

export const LANGUAGES: Readonly<Record<Language, string>> = { en: 'English', sw: 'Kiswahili', fr: 'Français' }
const WORDS: Readonly<Record<Language, Words>> = { en, sw, fr }

/** Return the words of a language. */
export function wordsOf(language: Language): Words {
  return WORDS[language]
}

/** Return the first of the wanted languages that the page has; English without one. */
export function chooseLanguage(wanted: readonly string[]): Language {
  for (const one of wanted) {
    const primary = one.toLowerCase().split('-')[0] ?? ''
    if (isLanguage(primary)) return primary
  }
  return 'en'
}

/** Tell whether a word is the code of a language of the page. */
export function isLanguage(word: string | null): word is Language {
  return word !== null && Object.hasOwn(LANGUAGES, word)
}

/** Put values into a sentence: `{name}` is replaced by the value of that name. */
export function filled(sentence: string, values: Readonly<Record<string, string | number>>): string {
  return sentence.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole))
}

/** Return the word for a code; the code itself for one that came after this version. */
export function wordFor(words: Readonly<Record<string, string>>, code: string): string {
  return Object.hasOwn(words, code) ? (words[code] ?? code) : code
}
