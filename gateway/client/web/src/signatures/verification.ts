/** Verification of signatures: each message must be signed by its gateway, for its topic. */

import { sha256Hex, textField } from '../contract/bytes.ts'
import { GATEWAY_LANE, type Position } from '../contract/topics.ts'
import { attachmentsOf } from '../events/attachments.ts'
import type { DiscardCounts, ReceivedEvent, RejectedMessage } from '../models.ts'
import type { Freshness } from '../site/freshness.ts'
import { InvalidSignatureError, Verifier } from './jws.ts'
import type { PublicKey } from './publicKeys.ts'
import { StatementVerifier, type Revision, type UserProperties } from './statements.ts'

/** Public keys of each gateway, by its site and name, such as `ke-busia/gw-1`. */
export type GatewayKeys = ReadonlyMap<string, readonly PublicKey[]>

const ANOTHER_GATEWAY = 'it is signed with the key of another gateway'
const UUID = /^[0-9A-Za-z-]{36}$/

/** Pairs of a gateway and the id of a key of it. */
class Signers {
  readonly #pairs = new Set<string>()

  constructor(keys: GatewayKeys) {
    for (const [gateway, given] of keys) for (const key of given) this.#pairs.add(`${gateway} ${key.id}`)
  }

  has(gateway: string, key: string): boolean {
    return this.#pairs.has(`${gateway} ${key}`)
  }
}

/** Check of retained messages, tokens and answers; what is not signed is counted and reported. */
export class StatementCheck {
  readonly #verifier: StatementVerifier
  readonly #signers: Signers
  readonly #site: string
  readonly #prefix: string
  readonly #freshness: Freshness
  readonly #reject: (message: RejectedMessage) => void
  /** Origin of the last picture of each preview, by topic. */
  readonly #pictures = new Map<string, Revision>()

  /** `prefix`: root and site of all topics, with a slash at its end. */
  constructor(
    keys: GatewayKeys,
    site: string,
    prefix: string,
    freshness: Freshness,
    reject: (message: RejectedMessage) => void,
  ) {
    this.#verifier = new StatementVerifier([...keys.values()].flat())
    this.#signers = new Signers(keys)
    this.#site = site
    this.#prefix = prefix
    this.#freshness = freshness
    this.#reject = reject
  }

  /** Tell whether a retained message is signed, and no older than the one in use. */
  async acceptsRetained(topic: string, position: Position, body: Uint8Array, user: UserProperties): Promise<boolean> {
    return await this.#accepts(topic, position, async () => {
      const revision = await this.#verifier.checkRetained(topic, body, user)
      this.#checkGateway(position, revision.key)
      if (body.length > 0 && textField(body, 'session') !== revision.session) {
        throw new InvalidSignatureError('it names another session than its revision')
      }
      if (!this.#freshness.hold(topic.slice(this.#prefix.length), revision)) {
        throw new InvalidSignatureError('it is older than the message in use')
      }
    })
  }

  /** Tell whether a picture of a preview is signed, by a living session, and newer than the last one. */
  async acceptsPicture(
    topic: string,
    position: Position,
    body: Uint8Array,
    user: UserProperties,
    nowS: number,
  ): Promise<boolean> {
    return await this.#accepts(topic, position, async () => {
      const order = await this.#verifier.checkRetained(topic, body, user)
      if (order.key !== this.#freshness.livingKey(order.session, nowS)) {
        throw new InvalidSignatureError('its session has published no token for too long')
      }
      const last = this.#pictures.get(topic)
      if (last !== undefined && last.session === order.session && order.number <= last.number) {
        throw new InvalidSignatureError('it is no newer than the last picture')
      }
      this.#pictures.set(topic, order)
    })
  }

  /** Return the id of the key that signed a token or an answer; undefined if there is none. */
  async keyOf(
    topic: string,
    position: Position,
    body: Uint8Array,
    user: UserProperties,
  ): Promise<string | undefined> {
    let key: string | undefined
    await this.#accepts(topic, position, async () => {
      const signer = await this.#verifier.check(topic, body, user)
      this.#checkGateway(position, signer)
      key = signer
    })
    return key
  }

  async #accepts(topic: string, position: Position, check: () => Promise<void>): Promise<boolean> {
    try {
      await check()
      return true
    } catch (error) {
      if (!(error instanceof InvalidSignatureError)) throw error
      const kind = topic.slice(this.#prefix.length).split('/')[2] ?? ''
      this.#reject({ position, eventId: undefined, role: undefined, text: error.message, kind })
      return false
    }
  }

  /** Require a gateway's own key for its birth and its tokens; those bind its devices' messages. */
  #checkGateway(position: Position, key: string): void {
    const [lane, device] = position.split('/')
    if (lane === GATEWAY_LANE && !this.#signers.has(`${this.#site}/${device}`, key)) {
      throw new InvalidSignatureError(ANOTHER_GATEWAY)
    }
  }
}

/** Verifier that rejects, counts and reports messages without a valid signature. */
export class SignatureVerifier {
  readonly #verifier: Verifier
  readonly #signers: Signers
  readonly #site: string
  readonly #discarded: DiscardCounts
  readonly #onRejected: ((message: RejectedMessage) => void) | undefined

  constructor(
    keys: GatewayKeys,
    site: string,
    discarded: DiscardCounts,
    onRejected: ((message: RejectedMessage) => void) | undefined,
  ) {
    this.#verifier = new Verifier([...keys.values()].flat())
    this.#signers = new Signers(keys)
    this.#site = site
    this.#discarded = discarded
    this.#onRejected = onRejected
  }

  /** Tell whether an event is signed by the gateway, and was published at its own position. */
  async verifyEvent(position: Position, payload: Uint8Array, jws: string | undefined): Promise<boolean> {
    try {
      if (jws === undefined) throw new InvalidSignatureError('it is not signed')
      const kid = await this.#verifier.check(payload, jws)
      // A signature for one device is not valid at the topic of another.
      const [empty, bgw, site, gateway, ...there] = (textField(payload, 'source') ?? '').split('/')
      const isHere = empty === '' && bgw === 'bgw' && site === this.#site && there.join('/') === position
      if (!isHere) throw new InvalidSignatureError('it was published at another position')
      // A key is valid for one gateway only: neither for another gateway, nor for one of another state.
      if (!this.#signers.has(`${this.#site}/${gateway}`, kid)) throw new InvalidSignatureError(ANOTHER_GATEWAY)
      return true
    } catch (error) {
      if (!(error instanceof InvalidSignatureError)) throw error
      this.reject({ position, eventId: idOf(payload), role: undefined, text: error.message, kind: 'event' })
      return false
    }
  }

  /** Return the images whose hash is in the signed event. */
  async verifyImages(
    received: ReceivedEvent,
    images: ReadonlyMap<string, Uint8Array>,
  ): Promise<ReadonlyMap<string, Uint8Array>> {
    const listed = attachmentsOf(received.data)
    const kept = new Map<string, Uint8Array>()
    for (const [role, content] of images) {
      if (listed.get(role) === (await sha256Hex(content))) {
        kept.set(role, content)
      } else {
        const text = 'its hash is not the one in the event'
        const eventId = received.envelope.id
        this.reject({ position: received.position, eventId, role, text, kind: 'event' })
      }
    }
    return kept
  }

  /** Count and report a message without a valid signature. */
  reject(refused: RejectedMessage): void {
    this.#discarded.rejected += 1
    this.#onRejected?.(refused)
  }
}

/** Return the id of an event if it has the form of one: it is not verified. */
function idOf(payload: Uint8Array): string | undefined {
  const found = textField(payload, 'id')
  return found !== undefined && UUID.test(found) ? found : undefined
}
