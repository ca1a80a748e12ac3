/** Assembly of received events: duplicates removed, images added, gaps counted. */

import type { Position } from '../contract/topics.ts'
import type { EventEnvelope } from '../generated/types.ts'
import { ReceivedEvent, type DiscardCounts } from '../models.ts'
import type { SignatureVerifier } from '../signatures/verification.ts'
import { attachmentsOf } from './attachments.ts'
import type { Decoder } from './decoder.ts'

const REMEMBERED_IDS = 10_000
const MAX_PENDING_IMAGE_BYTES = 128 * 1024 * 1024
/**
 * Time to wait for images, in seconds.
 *
 * They are sent before their event, but MQTT keeps the order within one topic only (MQTT 5, section 4.6).
 */
const IMAGE_TIMEOUT_S = 2

interface Incomplete {
  readonly received: ReceivedEvent
  readonly timer: ReturnType<typeof setTimeout>
}

/** Assembler that joins events and images, and delivers each event once. */
export class EventAssembler {
  readonly #deliverEvent: (event: ReceivedEvent) => void
  readonly #discarded: DiscardCounts
  readonly #decoder: Decoder
  readonly #verifier: SignatureVerifier | undefined
  readonly #seenIds = new Set<string>()
  readonly #lastSeq = new Map<string, number>()
  readonly #images = new Map<string, Map<string, Uint8Array>>()
  #imageBytes = 0
  readonly #incomplete = new Map<string, Incomplete>()

  constructor(
    deliver: (event: ReceivedEvent) => void,
    discarded: DiscardCounts,
    decoder: Decoder,
    verifier: SignatureVerifier | undefined,
  ) {
    this.#deliverEvent = deliver
    this.#discarded = discarded
    this.#decoder = decoder
    this.#verifier = verifier
  }

  /** Stop to wait for images, and drop what is held. */
  stop(): void {
    for (const { timer } of this.#incomplete.values()) clearTimeout(timer)
    this.#incomplete.clear()
    this.#images.clear()
    this.#imageBytes = 0
  }

  /** Take an image; its event follows, or waits for it. */
  async onImage(eventId: string, role: string, payload: Uint8Array): Promise<void> {
    const images = this.#images.get(eventId) ?? new Map<string, Uint8Array>()
    this.#images.set(eventId, images)
    this.#imageBytes += payload.length - (images.get(role)?.length ?? 0)
    images.set(role, payload)
    for (const oldest of this.#images.keys()) {
      if (this.#imageBytes <= MAX_PENDING_IMAGE_BYTES || this.#images.size === 1) break
      this.#takeImages(oldest)
    }
    const waiting = this.#incomplete.get(eventId)
    if (waiting !== undefined && this.#isComplete(waiting.received)) await this.#deliver(eventId)
  }

  /**
   * Take an event; rejects for an unreadable one.
   *
   * `deadlineS`: moment when it becomes stale, of `nowS()`.
   */
  async onEvent(
    position: Position,
    payload: Uint8Array,
    deadlineS: number,
    jws: string | undefined,
  ): Promise<void> {
    if (this.#verifier !== undefined && !(await this.#verifier.verifyEvent(position, payload, jws))) return
    const { envelope, data } = this.#decoder.readEvent(payload)
    if (this.#seenIds.has(envelope.id)) {
      this.#discarded.duplicates += 1
      return
    }
    this.#remember(envelope.id)
    this.#countGaps(envelope)
    const decoded = this.#decoder.observation(envelope, data)
    const received = new ReceivedEvent(position, envelope, decoded, new Map(), deadlineS)
    const timer = setTimeout(() => void this.#deliver(envelope.id), IMAGE_TIMEOUT_S * 1000)
    this.#incomplete.set(envelope.id, { received, timer })
    if (this.#isComplete(received)) await this.#deliver(envelope.id)
  }

  #isComplete(received: ReceivedEvent): boolean {
    const images = this.#images.get(received.envelope.id)
    return [...attachmentsOf(received.data).keys()].every((role) => images?.has(role) === true)
  }

  /** Deliver an event with the images received so far. */
  async #deliver(eventId: string): Promise<void> {
    const waiting = this.#incomplete.get(eventId)
    if (waiting === undefined) return
    this.#incomplete.delete(eventId)
    clearTimeout(waiting.timer)
    let images: ReadonlyMap<string, Uint8Array> = this.#takeImages(eventId)
    if (this.#verifier !== undefined && images.size > 0) {
      images = await this.#verifier.verifyImages(waiting.received, images)
    }
    this.#deliverEvent(images.size > 0 ? waiting.received.withImages(images) : waiting.received)
  }

  #takeImages(eventId: string): ReadonlyMap<string, Uint8Array> {
    const images = this.#images.get(eventId) ?? new Map<string, Uint8Array>()
    this.#images.delete(eventId)
    for (const content of images.values()) this.#imageBytes -= content.length
    return images
  }

  #remember(eventId: string): void {
    this.#seenIds.add(eventId)
    if (this.#seenIds.size <= REMEMBERED_IDS) return
    const [oldest] = this.#seenIds
    if (oldest !== undefined) this.#seenIds.delete(oldest)
  }

  #countGaps({ source, epoch, stream, seq }: EventEnvelope): void {
    const name = `${source} ${epoch} ${stream}`
    const last = this.#lastSeq.get(name)
    if (last !== undefined && seq > last + 1) this.#discarded.missing += seq - last - 1
    this.#lastSeq.set(name, Math.max(seq, last ?? 0))
  }
}
