/** A message as it came from the broker. */

import type { UserProperties } from '../signatures/statements.ts'

/** One message of the broker. */
export interface InboundMessage {
  readonly topic: string
  readonly payload: Uint8Array
  readonly retain: boolean
  /** Remaining life when the broker sent it, in seconds; undefined: no limit. */
  readonly expiresS: number | undefined
  readonly user: UserProperties
  /** Longest time that it may have been on its way to us, in seconds. */
  readonly transitS: number
}

/** Return the value of a user property that occurs once or more; undefined without one. */
export function userProperty(message: InboundMessage, name: string): string | undefined {
  return message.user.filter(([key]) => key === name).at(-1)?.[1]
}
