/** Sentences for actions that were not done. */

import type { Failure } from '../lane/actions.ts'
import { sentenceFor } from '../words/vocabularies.ts'
import type { Language, Words } from '../words/words.ts'

/** Words of the client for a command that never left this machine. */
const OURS: Readonly<Record<string, keyof Words & ('unreachable' | 'noGateway')>> = {
  not_connected: 'unreachable',
  gateway_offline: 'noGateway',
}

/** Say why an action was not done, and what to do. */
export function failureText(failure: Failure, words: Words, language: Language): string {
  const own = OURS[failure.reason]
  if (own !== undefined) return `${words.failed}: ${words[own]}`
  const { title, sentence } = sentenceFor('command_reasons', failure.reason, language)
  // A word without a sentence is of a newer gateway: its own words are better than none.
  return sentence === '' ? `${words.failed}: ${failure.text}` : `${words.failed}: ${title}. ${sentence}`
}
