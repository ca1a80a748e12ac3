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

/** An event that waits for its images, or for the event before it in its stream. */
interface HeldEvent {
  readonly received: ReceivedEvent
  timer: ReturnType<typeof setTimeout> | undefined
  /** True once it has waited long enough for its images. */
  isOverdue: boolean
}

/** Held events of one stream, in their order. */
interface HeldStream {
  readonly events: HeldEvent[]
  /** True while they are delivered: verification takes turns of the event loop. */
  isDelivering: boolean
}

/** Assembler that joins events and images, and delivers each event once, those of a stream in order. */
export class EventAssembler {
  readonly #deliverEvent: (event: ReceivedEvent) => void
  readonly #discarded: DiscardCounts
  readonly #decoder: Decoder
  readonly #verifier: SignatureVerifier | undefined
  readonly #seenIds = new Set<string>()
  readonly #lastSeq = new Map<string, number>()
  readonly #images = new Map<string, Map<string, Uint8Array>>()
  #imageBytes = 0
  readonly #held = new Map<string, HeldEvent>()
  readonly #streams = new Map<string, HeldStream>()

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
    for (const { timer } of this.#held.values()) clearTimeout(timer)
    for (const { events } of this.#streams.values()) events.length = 0
    this.#held.clear()
    this.#streams.clear()
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
    const held = this.#held.get(eventId)
    if (held !== undefined) await this.#deliverReady(streamOf(held.received.envelope))
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
    const held: HeldEvent = { received, timer: undefined, isOverdue: false }
    const name = streamOf(envelope)
    const stream = this.#streams.get(name) ?? { events: [], isDelivering: false }
    this.#streams.set(name, stream)
    stream.events.push(held)
    this.#held.set(envelope.id, held)
    await this.#deliverReady(name)
    if (this.#held.has(envelope.id)) {
      held.timer = setTimeout(() => {
        held.isOverdue = true
        void this.#deliverReady(name)
      }, IMAGE_TIMEOUT_S * 1000)
    }
  }

  #isComplete(received: ReceivedEvent): boolean {
    const images = this.#images.get(received.envelope.id)
    return [...attachmentsOf(received.data).keys()].every((role) => images?.has(role) === true)
  }

  /** Deliver the events of a stream up to the first one that still waits for images. */
  async #deliverReady(name: string): Promise<void> {
    const stream = this.#streams.get(name)
    if (stream === undefined || stream.isDelivering) return
    stream.isDelivering = true
    try {
      for (let held = stream.events[0]; held !== undefined; held = stream.events[0]) {
        if (!held.isOverdue && !this.#isComplete(held.received)) return
        stream.events.shift()
        this.#held.delete(held.received.envelope.id)
        await this.#deliver(held)
      }
      this.#streams.delete(name)
    } finally {
      stream.isDelivering = false
    }
  }

  /** Deliver an event with the images received so far. */
  async #deliver({ received, timer }: HeldEvent): Promise<void> {
    clearTimeout(timer)
    let images: ReadonlyMap<string, Uint8Array> = this.#takeImages(received.envelope.id)
    if (this.#verifier !== undefined && images.size > 0) {
      images = await this.#verifier.verifyImages(received, images)
    }
    this.#deliverEvent(images.size > 0 ? received.withImages(images) : received)
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

  #countGaps(envelope: EventEnvelope): void {
    const name = streamOf(envelope)
    const last = this.#lastSeq.get(name)
    if (last !== undefined && envelope.seq > last + 1) this.#discarded.missing += envelope.seq - last - 1
    this.#lastSeq.set(name, Math.max(envelope.seq, last ?? 0))
  }
}

/** Return the stream of an event: its numbers have no meaning in another epoch, or at another gateway. */
function streamOf({ source, epoch, stream }: EventEnvelope): string {
  return `${source} ${epoch} ${stream}`
}
