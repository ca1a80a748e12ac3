/** Retained messages of a site: gateway states; state, description, claim and last values of its devices. */

import { parseJson } from '../contract/bytes.ts'
import type { SchemaReader } from '../contract/schemaReader.ts'
import type { Position } from '../contract/topics.ts'
import type { Decoder } from '../events/decoder.ts'
import type {
  DeviceClaim,
  DeviceDescription,
  DeviceState,
  GatewayState,
  LastValueEnvelope,
} from '../generated/types.ts'
import { DeviceStatus, type DecodedData, type LastValue } from '../models.ts'

/** What is known of the signs of life of gateway sessions. */
export interface SignsOfLife {
  /** True for a session that gives signs of life. */
  isAlive(session: string): boolean
  /** Time since the last one, in seconds; undefined if there was none. */
  ageS(session: string): number | undefined
  /** True if the message of a topic is signed and the newest; undefined without verification. */
  readonly isCurrent: ((name: string) => boolean) | undefined
  /** True while a session that has given no sign of life yet may still do so. */
  isAwaited(session: string): boolean
}

interface KnownValue {
  readonly position: Position
  readonly message: LastValueEnvelope
  readonly decoded: DecodedData
}

/** Newest retained message of each kind. Every method that takes a payload throws UnreadableError or SyntaxError. */
export class SiteState {
  /** State of every known gateway, by its name. */
  readonly gateways = new Map<string, GatewayState>()
  readonly #onStatusChanged: (status: DeviceStatus) => void
  readonly #decoder: Decoder
  readonly #reader: SchemaReader
  readonly #life: SignsOfLife
  /** Sessions of gateways, and whether each is alive. */
  readonly #sessions = new Map<string, boolean>()
  /** Connection of each gateway's last birth. */
  readonly #connections = new Map<string, string | undefined>()
  readonly #states = new Map<Position, DeviceState>()
  readonly #descriptions = new Map<Position, DeviceDescription>()
  readonly #lastValues = new Map<string, KnownValue>()
  readonly #claims = new Map<Position, DeviceClaim>()
  readonly #reported = new Map<Position, DeviceStatus>()

  constructor(
    onStatusChanged: (status: DeviceStatus) => void,
    decoder: Decoder,
    reader: SchemaReader,
    life: SignsOfLife,
  ) {
    this.#onStatusChanged = onStatusChanged
    this.#decoder = decoder
    this.#reader = reader
    this.#life = life
  }

  /** Positions of all devices with a state or a description. */
  get devices(): Position[] {
    return [...new Set([...this.#states.keys(), ...this.#descriptions.keys()])].sort()
  }

  /** Tell whether a device has published a state. */
  hasState(position: Position): boolean {
    return this.#states.has(position)
  }

  /** Return the status of the device at a position. */
  status(position: Position): DeviceStatus {
    const state = this.#states.get(position)
    const claim = this.#claims.get(position)
    const gatewayOnline = state !== undefined && this.#isUsable(state.session, `${position}/state`)
    const hasClaim = claim !== undefined && this.#isUsable(claim.session, `${position}/claim`)
    return new DeviceStatus({
      position,
      state,
      description: this.#descriptions.get(position),
      gatewayOnline,
      claim: hasClaim ? claim : undefined,
      isVerified: gatewayOnline && this.#life.isCurrent !== undefined,
      ageS: state === undefined ? undefined : this.#life.ageS(state.session),
    })
  }

  /** Return the last value of an event type; undefined when there is none of a living session. */
  lastValue(position: Position, eventType: string): LastValue | undefined {
    const name = `${position}/now/${eventType.replaceAll('.', '-')}`
    const found = this.#lastValues.get(name)
    if (found === undefined || !this.#isUsable(found.message.session, name)) return undefined
    return {
      position,
      message: found.message,
      data: found.decoded.data,
      isVerified: this.#life.isCurrent !== undefined,
      ageS: this.#life.ageS(found.message.session),
      schemaId: found.message.dataschema,
      isSimulated: found.message.provenance !== 'live',
    }
  }

  /** Return every session that is known to be over. */
  endedSessions(): string[] {
    return [...this.#sessions].filter(([, isAlive]) => !isAlive).map(([session]) => session)
  }

  /** Drop what would not be retracted again: last values and claims. */
  onDisconnected(): void {
    this.#lastValues.clear()
    this.#claims.clear()
  }

  /**
   * Take a birth or a death of a gateway; returns false for one that changes nothing.
   *
   * A death of another session than the living one is outdated and changes nothing; so is one of another
   * connection than that of the last birth.
   */
  onGateway(gateway: string, state: GatewayState | undefined, connection: string | undefined): boolean {
    if (state === undefined) {
      this.gateways.delete(gateway)
      return false
    }
    const before = this.gateways.get(gateway)
    if (state.online) {
      this.#connections.set(gateway, connection)
    } else if (before?.session === state.session && connection !== undefined) {
      const born = this.#connections.has(gateway) ? this.#connections.get(gateway) : connection
      if (born !== connection) return false
    }
    if (state.online && before !== undefined && before.session !== state.session) {
      this.#sessions.set(before.session, false)
    }
    this.#sessions.set(state.session, state.online)
    const isCurrent = state.online || before === undefined || before.session === state.session
    if (isCurrent) this.gateways.set(gateway, state)
    for (const [position, device] of this.#states) {
      if (device.session === state.session || device.session === before?.session) this.#report(position)
    }
    return isCurrent
  }

  /** Take a device's state; an empty payload retracts it. */
  onDeviceState(position: Position, payload: Uint8Array): void {
    this.#take(this.#states, position, payload, 'DeviceState')
    this.#report(position)
  }

  /** Take a device's description; an empty payload retracts it. */
  onDescription(position: Position, payload: Uint8Array): void {
    this.#take(this.#descriptions, position, payload, 'DeviceDescription')
  }

  /** Take a device's claim; an empty payload retracts it. Returns the new claim. */
  onClaim(position: Position, payload: Uint8Array): DeviceClaim | undefined {
    this.#take(this.#claims, position, payload, 'DeviceClaim')
    this.#report(position)
    return this.#claims.get(position)
  }

  /** Take a last value; an empty payload retracts it. `level`: last level of its topic, such as `barrier-state`. */
  onLastValue(position: Position, level: string, payload: Uint8Array): void {
    const name = `${position}/now/${level}`
    if (payload.length === 0) {
      this.#lastValues.delete(name)
      return
    }
    const { envelope, data } = this.#decoder.readLastValue(payload)
    this.#lastValues.set(name, { position, message: envelope, decoded: this.#decoder.observation(envelope, data) })
  }

  /** Tell whether a session is over and a gateway has another one. */
  isSuperseded(gateway: string, session: string): boolean {
    const known = this.gateways.get(gateway)
    return known !== undefined && known.session !== session && this.#sessions.get(session) === false
  }

  /** Take the newest session of a gateway as alive again: its gateway has proved that it is. */
  revive(gateway: string, session: string): void {
    const known = this.gateways.get(gateway)
    if (known?.session === session && !known.online) {
      this.#sessions.set(session, true)
      this.gateways.set(gateway, { ...known, online: true })
    }
  }

  /** Report the status of every device whose status has changed. */
  reportAll(): void {
    for (const position of this.#states.keys()) this.#report(position)
  }

  #take<T>(known: Map<Position, T>, position: Position, payload: Uint8Array, definition: string): void {
    if (payload.length > 0) known.set(position, this.#reader.read(definition, parseJson(payload)) as T)
    else known.delete(position)
  }

  /** Tell whether the gateway of a device's state may still prove that it is alive. */
  #isUndecided(state: DeviceState | undefined): boolean {
    if (state === undefined || this.#sessions.get(state.session) === false) return false
    return this.#life.isAwaited(state.session)
  }

  #isUsable(session: string, name: string): boolean {
    const isAlive = this.#sessions.get(session) === true && this.#life.isAlive(session)
    return isAlive && (this.#life.isCurrent === undefined || this.#life.isCurrent(name))
  }

  /**
   * Report a device's status, unless it equals the one reported last.
   *
   * A broker may send a device's state before that of its gateway: the first report waits for both, so that no
   * device is first shown as down.
   */
  #report(position: Position): void {
    const status = this.status(position)
    const reported = this.#reported.get(position)
    const isFirst = reported?.state === undefined // a claim may come before the state
    if (isFirst && !status.gatewayOnline && this.#isUndecided(status.state)) return
    if (reported === undefined || comparisonKey(reported) !== comparisonKey(status)) {
      this.#reported.set(position, status)
      this.#onStatusChanged(status)
    }
  }
}

function comparisonKey({ state, gatewayOnline, claim }: DeviceStatus): string {
  return JSON.stringify([state ?? null, gatewayOnline, claim ?? null])
}
