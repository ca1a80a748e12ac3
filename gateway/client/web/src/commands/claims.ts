/** Claim of a workstation: renewed automatically, released at its end, with a signal when it is lost. */

import type { Position } from '../contract/topics.ts'
import type { ClaimResult } from '../generated/types.ts'
import { nowS } from '../time/clock.ts'
import { AsyncEvent, Sleep } from '../time/waiting.ts'
import type { CommandResult } from './commandSender.ts'
import { CommandError, CommandRejected } from './errors.ts'

/** A station that commands devices, as far as claims and previews need it. `Workstation` is one. */
export interface CommandingStation {
  readonly station: string | undefined
  command(
    position: string,
    verb: string,
    args?: Readonly<Record<string, unknown>>,
    options?: { readonly timeoutS?: number },
  ): Promise<CommandResult>
}

/** Claim of a device, held from `start` to `end`. */
export class HeldClaim {
  readonly position: Position
  /** Set when another station took the claim over, or when it could not be renewed in time. */
  readonly lostEvent = new AsyncEvent()
  readonly #workstation: CommandingStation
  readonly #stealReason: string | undefined
  #leaseS: number
  #sleep: Sleep | undefined
  #isRenewed = false

  constructor(workstation: CommandingStation, position: Position, leaseS: number, steal: string | undefined) {
    this.#workstation = workstation
    this.position = position
    this.#leaseS = leaseS
    this.#stealReason = steal
  }

  /** Duration of the lease, in seconds: the post may have granted less. */
  get leaseS(): number {
    return this.#leaseS
  }

  /** Claim, or steal with a reason; rejects with CommandError: CommandRejected when another station has it. */
  async start(): Promise<this> {
    const verb = this.#stealReason === undefined ? 'claim' : 'steal'
    const reason = this.#stealReason === undefined ? {} : { reason: this.#stealReason }
    const args = { lease_s: this.#leaseS, ...reason }
    const { result } = await this.#workstation.command(this.position, verb, args)
    const granted = (result as Partial<ClaimResult>).lease_s
    if (typeof granted === 'number') this.#leaseS = granted
    this.#isRenewed = true
    void this.#renew()
    return this
  }

  /** Release the claim. If the command fails, the lease ends the claim. */
  async end(): Promise<void> {
    if (!this.#isRenewed) return
    this.#isRenewed = false
    this.#sleep?.end()
    if (this.lostEvent.isSet) return
    await ignored(this.#workstation.command(this.position, 'release', {}, { timeoutS: 3 }))
  }

  /** Take the name of the holder. */
  onHolderChanged(holder: string): void {
    if (holder !== this.#workstation.station && this.#isRenewed) this.lostEvent.set()
  }

  async #renew(): Promise<void> {
    let endsS = nowS() + this.#leaseS
    while (this.#isRenewed && !this.lostEvent.isSet) {
      this.#sleep = new Sleep(this.#leaseS / 3)
      await this.#sleep.done
      if (!this.#isRenewed) return
      const beganS = nowS()
      try {
        const options = { timeoutS: this.#leaseS / 3 }
        await this.#workstation.command(this.position, 'renew', { lease_s: this.#leaseS }, options)
        endsS = beganS + this.#leaseS
      } catch (error) {
        if (!(error instanceof CommandError)) throw error
        if (error instanceof CommandRejected && error.reason === 'not_claimed') this.lostEvent.set()
        // Otherwise tried again until the lease is over.
      }
      if (nowS() > endsS) this.lostEvent.set()
    }
  }
}

/** Wait for a command whose failure needs nothing done. */
export async function ignored(command: Promise<unknown>): Promise<void> {
  try {
    await command
  } catch (error) {
    if (!(error instanceof CommandError)) throw error
  }
}
