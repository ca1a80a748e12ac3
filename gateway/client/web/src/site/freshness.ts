/**
 * Tokens of gateways, which signed commands name; and what they say of retained messages.
 *
 * With the public keys of the gateways, a retained message is used only as long as it is signed, and the newest
 * token, at most six seconds old, names no newer one of its topic. So a broker can hide a message, but show an
 * old one as the newest for no longer than that.
 *
 * Without keys a token is the sign of life of its gateway: a pulled cable, a gateway that hangs, and a broker
 * that was restarted beside a dead gateway would otherwise show the last state for ever.
 */

import { TOKEN_LIFE_S } from '../contract/constants.ts'
import type { FreshToken } from '../generated/types.ts'
import type { Revision } from '../signatures/statements.ts'

/** Time without a token after which nothing of that gateway is current, in seconds. */
export const SILENCE_S = TOKEN_LIFE_S

/** Newest token of a session. */
interface Session {
  readonly token: string
  tokenEndsS: number
  readonly number: number
  receivedS: number
  readonly numbers: ReadonlyMap<string, number>
  readonly key: string | undefined
}

/** Tokens by session, and the retained messages in use, by topic without root and site. Times are of `nowS()`. */
export class Freshness {
  readonly #sessions = new Map<string, Session>()
  /** Revision in use, by topic. */
  readonly #held = new Map<string, Revision>()

  /** Take a token with its remaining life and the key that signed it; false if it is no newer one. */
  onToken(message: FreshToken, lastsS: number | undefined, nowS: number, key: string | undefined): boolean {
    const known = this.#sessions.get(message.session)
    if (known !== undefined && (message.number <= known.number || key !== known.key)) return false
    this.#sessions.set(message.session, {
      token: message.token,
      tokenEndsS: nowS + Math.min(lastsS ?? TOKEN_LIFE_S, TOKEN_LIFE_S),
      number: message.number,
      receivedS: nowS,
      numbers: new Map(Object.entries(message.numbers)),
      key,
    })
    return true
  }

  /** Return the newest token of a session, if its life has not ended. */
  token(session: string, nowS: number): string | undefined {
    const known = this.#sessions.get(session)
    return known !== undefined && nowS < known.tokenEndsS ? known.token : undefined
  }

  /** Use a retained message; false if a newer one of its session is in use. */
  hold(name: string, held: Revision): boolean {
    const before = this.#held.get(name)
    if (before !== undefined && before.session === held.session && held.number < before.number) return false
    this.#held.set(name, held)
    return true
  }

  /** Tell whether the message in use for a topic is known to be the newest. */
  isCurrent(name: string, nowS: number): boolean {
    const held = this.#held.get(name)
    const known = held && this.#sessions.get(held.session)
    if (held === undefined || known === undefined) return false
    if (nowS - known.receivedS > SILENCE_S || held.key !== known.key) return false
    const newest = known.numbers.get(name)
    return newest !== undefined && held.number >= newest
  }

  /** Return the time since the last token of a session, in seconds; undefined if none is known. */
  ageS(session: string, nowS: number): number | undefined {
    const known = this.#sessions.get(session)
    return known === undefined || known.receivedS === -Infinity ? undefined : nowS - known.receivedS
  }

  /** Tell whether a gateway session has published a token within `SILENCE_S`. */
  isAlive(session: string, nowS: number): boolean {
    const known = this.#sessions.get(session)
    return known !== undefined && nowS - known.receivedS <= SILENCE_S
  }

  /** Return the key that signs the tokens of a session, if the last one is not older than `SILENCE_S`. */
  livingKey(session: string, nowS: number): string | undefined {
    return this.isAlive(session, nowS) ? this.#sessions.get(session)?.key : undefined
  }

  /** End all tokens: those of the time without a connection were missed. Their numbers stay used. */
  onDisconnected(): void {
    for (const known of this.#sessions.values()) known.tokenEndsS = known.receivedS = -Infinity
  }
}
