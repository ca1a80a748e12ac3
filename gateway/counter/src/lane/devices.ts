/** Devices of a lane, by what they are for. */

import type { DeviceStatus, Family, Workstation } from 'borderpost-client'

/** Families of devices that a counter uses. */
export type CounterFamily = Exclude<Family, 'unknown'>

const ORDER: readonly CounterFamily[] = [
  'passport_reader',
  'camera',
  'fingerprint_scanner',
  'barrier',
  'card_reader',
]

/** One device of the lane as it is known now. */
export interface LaneDevice {
  readonly position: string
  /** Undefined until its description has come. */
  readonly family: CounterFamily | undefined
  readonly status: DeviceStatus
}

/** Devices of one lane. */
export class LaneDevices {
  readonly positions: readonly string[]
  readonly #workstation: Workstation
  /** Family of each device; a description outlives the connection. */
  readonly #families = new Map<string, CounterFamily>()

  constructor(workstation: Workstation, positions: readonly string[]) {
    this.#workstation = workstation
    this.positions = positions
  }

  /** All devices: readers first, then in the order in which a counter uses them. */
  get all(): readonly LaneDevice[] {
    return this.positions.map((position) => this.at(position)).sort((one, other) => place(one) - place(other))
  }

  /** Return the device at a position. */
  at(position: string): LaneDevice {
    const status = this.#workstation.status(position)
    const family = status.description?.family
    if (family !== undefined && family !== 'unknown') this.#families.set(position, family)
    return { position, family: this.#families.get(position), status }
  }

  /** Return the first device of a family, one that obeys before one that does not. */
  of(family: CounterFamily): LaneDevice | undefined {
    const found = this.all.filter((device) => device.family === family)
    return found.find((device) => device.status.isUsable) ?? found[0]
  }
}

function place(device: LaneDevice): number {
  return device.family === undefined ? ORDER.length : ORDER.indexOf(device.family)
}
