/** Types that a workstation returns: events, status of devices, last values, counts of discarded messages. */

import type { Position } from './contract/topics.ts'
import type {
  DeviceClaim,
  DeviceDescription,
  DeviceState,
  EventData,
  EventEnvelope,
  LastValueEnvelope,
} from './generated/types.ts'

/** Data of an event, decoded by its model or not. */
export interface DecodedData {
  /** Event type of our contract whose model the data have, such as `document.read`; undefined for any other. */
  readonly eventType: keyof EventData | undefined
  /** The data: of the event's model, ours or of a given vocabulary; without one their plain JSON. */
  readonly data: unknown
}

/** One event as this workstation received it. */
export class ReceivedEvent<T = unknown> {
  readonly position: Position
  readonly envelope: EventEnvelope
  /** The data: of the event's model, ours or of a given vocabulary; without one their plain JSON. */
  readonly data: T
  /** Images by role; a role that the event lists and that did not arrive in time is missing. */
  readonly images: ReadonlyMap<string, Uint8Array>
  readonly #eventType: keyof EventData | undefined
  readonly #deadlineS: number | undefined

  /** `deadlineS`: moment when it becomes stale, of `nowS()`; undefined: never. */
  constructor(
    position: Position,
    envelope: EventEnvelope,
    decoded: DecodedData,
    images: ReadonlyMap<string, Uint8Array>,
    deadlineS: number | undefined,
  ) {
    this.position = position
    this.envelope = envelope
    this.data = decoded.data as T
    this.images = images
    this.#eventType = decoded.eventType
    this.#deadlineS = deadlineS
  }

  /** Tell whether it is of a type of our contract; `data` then has the type's model. */
  is<N extends keyof EventData>(eventType: N): this is ReceivedEvent<EventData[N]> {
    return this.#eventType === eventType
  }

  /** Event type of our contract whose model `data` has, such as `document.read`; undefined for any other. */
  get eventType(): keyof EventData | undefined {
    return this.#eventType
  }

  /** Id of the JSON Schema of `data`, such as `urn:bgw:schema:document.read:v1`. */
  get schemaId(): string {
    return this.envelope.dataschema
  }

  /** True if it is not from a real device. */
  get isSimulated(): boolean {
    return this.envelope.provenance !== 'live'
  }

  /** Tell whether it is stale at a moment of `nowS()`. */
  isStaleAt(nowS: number): boolean {
    return this.#deadlineS !== undefined && nowS > this.#deadlineS
  }

  /** Return the same event with images. */
  withImages(images: ReadonlyMap<string, Uint8Array>): ReceivedEvent<T> {
    const decoded = { eventType: this.#eventType, data: this.data }
    return new ReceivedEvent(this.position, this.envelope, decoded, images, this.#deadlineS)
  }
}

/** Status of a device, as known to this workstation. */
export class DeviceStatus {
  readonly position: Position
  readonly state: DeviceState | undefined
  readonly description: DeviceDescription | undefined
  /** False: its gateway is offline, so `state` is outdated. */
  readonly gatewayOnline: boolean
  /** Claim of the device; undefined without one, or when none is known. */
  readonly claim: DeviceClaim | undefined
  /** True if its gateway signed the state, and it is the newest; always false without `verify`. */
  readonly isVerified: boolean
  /**
   * Time since the last sign of life of its gateway, in seconds, when this was returned; undefined: unknown.
   *
   * Signs of life come every two seconds. Without one for six seconds `gatewayOnline` is false.
   */
  readonly ageS: number | undefined

  constructor(fields: Omit<DeviceStatus, 'isUsable'>) {
    this.position = fields.position
    this.state = fields.state
    this.description = fields.description
    this.gatewayOnline = fields.gatewayOnline
    this.claim = fields.claim
    this.isVerified = fields.isVerified
    this.ageS = fields.ageS
  }

  /** True if the device is expected to execute commands now; also a degraded or busy one. */
  get isUsable(): boolean {
    return this.gatewayOnline && this.state?.usable === true
  }
}

/** Kind of a connection's problem: for pages with sentences of their own. */
export type ProblemKind = 'unreachable' | 'refused' | 'no_gateway' | 'displaced'

/** Reason why a workstation receives nothing from the broker, and its remedy. */
export interface ConnectionProblem {
  readonly kind: ProblemKind
  /** Address of the broker, as `host:port`. */
  readonly address: string
  readonly text: string
  readonly how: string
}

/** Last value of an event type that describes a state, such as the state of a barrier. */
export interface LastValue<T = unknown> {
  readonly position: Position
  readonly message: LastValueEnvelope
  /** The data: of the value's model, ours or of a given vocabulary; without one their plain JSON. */
  readonly data: T
  /** True if its gateway signed it, and it is the newest; always false without `verify`. */
  readonly isVerified: boolean
  /** Time since the last sign of life of its gateway, in seconds, when this was returned; undefined: unknown. */
  readonly ageS: number | undefined
  /** Id of the JSON Schema of `data`. */
  readonly schemaId: string
  /** True if it is not from a real device. */
  readonly isSimulated: boolean
}

/** An event, an image, a retained message or an answer without a valid signature of the gateway. */
export interface RejectedMessage {
  readonly position: Position
  /** Id as the event gives it; undefined when it cannot be read. */
  readonly eventId: string | undefined
  /** Role of the image; undefined: the event itself. */
  readonly role: string | undefined
  /** Reason of the rejection, without content of the message. */
  readonly text: string
  /** Level of its topic below the device, such as `state`, `now` or `rsp`; `event` also for images. */
  readonly kind: string
}

/** Numbers of messages that were not delivered to the caller, by reason. */
export interface DiscardCounts {
  duplicates: number
  expired: number
  unreadable: number
  /** Not signed by a given key, or with a wrong signature; see `RejectedMessage`. */
  rejected: number
  /** Gaps in the sequence numbers: events that expired before they arrived, or that were lost. */
  missing: number
}
