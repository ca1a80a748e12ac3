/** A message as it came from the broker. */

import type { UserProperties } from '../signatures/statements.ts'

/** One message of the broker. */
export interface InboundMessage {
  readonly topic: string
  readonly payload: Uint8Array
  readonly retain: boolean
  /** Remaining life when the broker sent it, in seconds; undefined: no limit, or none left. */
  readonly expiresS: number | undefined
  readonly user: UserProperties
  /** Moment before which the broker had not sent it, of `nowS()`. */
  readonly sentAfterS: number
}

/** Return the value of a user property that occurs once or more; undefined without one. */
export function userProperty(message: InboundMessage, name: string): string | undefined {
  return message.user.filter(([key]) => key === name).at(-1)?.[1]
}
