/**
 * View of a site at a workstation: its retained messages and tokens, verified where keys are given.
 *
 * Without keys every message is taken as the broker delivers it, and nothing counts as verified.
 */

import { userProperty, type InboundMessage } from '../connection/inbound.ts'
import { parseJson } from '../contract/bytes.ts'
import { CONNECTION_PROPERTY } from '../contract/constants.ts'
import type { SchemaReader } from '../contract/schemaReader.ts'
import { GATEWAY_LANE, type DeviceTopic, type Position } from '../contract/topics.ts'
import type { Decoder } from '../events/decoder.ts'
import type { FreshToken, GatewayState } from '../generated/types.ts'
import type { DeviceStatus } from '../models.ts'
import type { StatementCheck } from '../signatures/verification.ts'
import { nowS } from '../time/clock.ts'
import { SILENCE_S, type Freshness } from './freshness.ts'
import { SiteState, type SignsOfLife } from './siteState.ts'

const RETAINED_KINDS: ReadonlySet<string> = new Set(['state', 'desc', 'claim', 'now'])
/** Time on the way up to which a token counts as received now, in seconds: the usual doubt of a transit. */
const DOUBT_S = 3

/** Site state that takes only what passes the check, and ends what is no longer current. */
export class SiteView implements SignsOfLife {
  readonly state: SiteState
  readonly isCurrent: ((name: string) => boolean) | undefined
  readonly #reader: SchemaReader
  readonly #freshness: Freshness
  readonly #check: StatementCheck | undefined
  #silenceTimer: ReturnType<typeof setTimeout> | undefined
  /** Time at which each session was first named by a device's state. */
  readonly #firstSeenS = new Map<string, number>()

  /** `check`: check of signatures; undefined: nothing is verified. */
  constructor(
    onStatusChanged: (status: DeviceStatus) => void,
    decoder: Decoder,
    reader: SchemaReader,
    freshness: Freshness,
    check: StatementCheck | undefined,
  ) {
    this.#reader = reader
    this.#freshness = freshness
    this.#check = check
    this.isCurrent = check === undefined ? undefined : (name) => freshness.isCurrent(name, nowS())
    this.state = new SiteState(onStatusChanged, decoder, reader, this)
  }

  /** True if signatures are checked. */
  get isVerified(): boolean {
    return this.#check !== undefined
  }

  /** Stop to watch for silence. */
  stop(): void {
    clearTimeout(this.#silenceTimer)
  }

  /** Drop what would not be retracted again. */
  onDisconnected(): void {
    this.state.onDisconnected()
    this.#freshness.onDisconnected()
  }

  /** Return the newest token of a gateway session, if its life has not ended. */
  token(session: string): string | undefined {
    return this.#freshness.token(session, nowS())
  }

  /** Tell whether a message below a device may be used; events and images have a check of their own. */
  async accepts(where: DeviceTopic, { topic, payload, user }: InboundMessage): Promise<boolean> {
    if (this.#check === undefined) return true
    if (RETAINED_KINDS.has(where.kind)) {
      return await this.#check.acceptsRetained(topic, where.position, payload, user)
    }
    if (where.kind === 'preview') {
      return await this.#check.acceptsPicture(topic, where.position, payload, user, nowS())
    }
    if (where.kind === 'rsp') {
      return (await this.#check.keyOf(topic, where.position, payload, user)) !== undefined
    }
    return true
  }

  /**
   * Take a birth or a death; returns false for one that changes nothing. Rejects for an unreadable one.
   *
   * A death is taken unsigned: it may be the last will, which the broker publishes, and it shows nothing.
   * The next token of the session ends an invented one.
   */
  async onGateway(gateway: string, message: InboundMessage): Promise<boolean> {
    const { topic, payload, user } = message
    const state =
      payload.length > 0 ? (this.#reader.read('GatewayState', parseJson(payload)) as GatewayState) : undefined
    if (this.#check !== undefined && (state === undefined || state.online)) {
      const where: Position = `${GATEWAY_LANE}/${gateway}`
      if (!(await this.#check.acceptsRetained(topic, where, payload, user))) return false
      // A birth of an earlier session, shown again.
      if (state !== undefined && this.state.isSuperseded(gateway, state.session)) return false
    }
    return this.state.onGateway(gateway, state, userProperty(message, CONNECTION_PROPERTY))
  }

  /** Take a token; rejects for an unreadable one. */
  async onToken(gateway: string, message: InboundMessage): Promise<void> {
    const { topic, payload, user, retain, expiresS, sentAfterS } = message
    if (payload.length === 0) return
    let key: string | undefined
    if (this.#check !== undefined) {
      key = await this.#check.keyOf(topic, `${GATEWAY_LANE}/${gateway}`, payload, user)
      if (key === undefined) return
    }
    const token = this.#reader.read('FreshToken', parseJson(payload)) as FreshToken
    // One that may have waited on its way, such as for a frozen page, counts from then.
    const receivedS = Math.min(nowS(), sentAfterS + DOUBT_S)
    if (!this.#freshness.onToken(token, expiresS, receivedS, key)) return
    // A retained one may be older than the death.
    if (this.#check !== undefined && !retain) this.state.revive(gateway, token.session)
    this.state.reportAll()
    this.#watchSilence()
  }

  isAlive(session: string): boolean {
    return this.#freshness.isAlive(session, nowS())
  }

  ageS(session: string): number | undefined {
    return this.#freshness.ageS(session, nowS())
  }

  /** Tell whether a session may still prove that it is alive: it has the time of a token for it. */
  isAwaited(session: string): boolean {
    const now = nowS()
    let first = this.#firstSeenS.get(session)
    if (first === undefined) {
      first = now
      this.#firstSeenS.set(session, now)
      this.#watchSilence()
    }
    return now - first < SILENCE_S
  }

  /** Report what is no longer current, once nothing has come for `SILENCE_S`. */
  #watchSilence(): void {
    this.stop()
    this.#silenceTimer = setTimeout(() => this.state.reportAll(), (SILENCE_S + 0.1) * 1000)
  }
}
