/** Claims of a lane's devices: all of them for this counter, or none. */

import { CommandError, CommandRejected, type HeldClaim, type Workstation } from 'borderpost-client'

/** Pause before a device that could not be claimed is tried again, in seconds. */
const AGAIN_S = 3

/** Another counter has a device of the lane. */
export interface Taken {
  readonly position: string
  /** Station that has it; undefined where it is not known. */
  readonly holder: string | undefined
}

/** What becomes of the claims. */
export interface ClaimsListener {
  /** The lane was lost to another counter: nothing of a traveller may stay. */
  onTaken(taken: Taken): void
  onChanged(): void
}

/** Holder of the lane's devices, which claims them as soon as their gateway lets it. */
export class LaneClaims {
  readonly #workstation: Workstation
  readonly #positions: readonly string[]
  readonly #listener: ClaimsListener
  readonly #held = new Map<string, HeldClaim>()
  readonly #pending = new Set<string>()
  /** Moment before which a device that refused is not asked again. */
  readonly #notBeforeMs = new Map<string, number>()
  #taken: Taken | undefined
  #isTakingOver = false
  #isEnded = false

  constructor(workstation: Workstation, positions: readonly string[], listener: ClaimsListener) {
    this.#workstation = workstation
    this.#positions = positions
    this.#listener = listener
  }

  /** The device that another counter has; undefined while none is known to have one. */
  get taken(): Taken | undefined {
    return this.#taken
  }

  /** Tell whether this counter has a device. */
  has(position: string): boolean {
    return this.#held.has(position)
  }

  /** Claim what is not claimed yet; call it after each change of a device. */
  claimAll(): void {
    if (this.#isEnded || this.#isTakingOver) return
    for (const position of this.#positions) {
      // The loss of a held claim is told by the claim itself.
      if (this.#held.has(position)) continue
      const { claim, gatewayOnline } = this.#workstation.status(position)
      if (claim !== undefined && claim.holder !== this.#workstation.station) this.#onTaken(position, claim.holder)
      else if (this.#taken?.position === position) this.#onFree()
      const isTooSoon = performance.now() < (this.#notBeforeMs.get(position) ?? 0)
      if (gatewayOnline && this.#taken === undefined && !isTooSoon) void this.#claim(position, undefined)
    }
  }

  /** Take the lane over from another counter, with a reason that is recorded; returns why it failed. */
  async takeOver(reason: string): Promise<CommandError | undefined> {
    this.#taken = undefined
    this.#isTakingOver = true
    this.#listener.onChanged()
    try {
      const failures = await Promise.all(this.#positions.map((position) => this.#claim(position, reason)))
      return failures.find((failure) => failure !== undefined)
    } finally {
      this.#isTakingOver = false
      this.claimAll()
    }
  }

  /** Release everything, and claim nothing any more. */
  async end(): Promise<void> {
    this.#isEnded = true
    await this.#release()
  }

  async #claim(position: string, steal: string | undefined): Promise<CommandError | undefined> {
    if (this.#held.has(position) || this.#pending.has(position)) return undefined
    this.#pending.add(position)
    const holder = this.#workstation.status(position).claim?.holder
    const isOthers = holder !== undefined && holder !== this.#workstation.station
    try {
      const options = steal !== undefined && isOthers ? { steal } : {}
      const claim = await this.#workstation.claim(position, options)
      if (this.#isEnded || this.#taken !== undefined) {
        await claim.end()
        return undefined
      }
      this.#held.set(position, claim)
      void this.#watch(position, claim)
      this.#listener.onChanged()
      return undefined
    } catch (error) {
      if (!(error instanceof CommandError)) throw error
      const isTaken = error instanceof CommandRejected && error.reason === 'claimed'
      if (isTaken) this.#onTaken(position, this.#workstation.status(position).claim?.holder)
      else this.#notBeforeMs.set(position, performance.now() + AGAIN_S * 1000)
      return error
    } finally {
      this.#pending.delete(position)
    }
  }

  async #watch(position: string, claim: HeldClaim): Promise<void> {
    await claim.lostEvent.wait()
    if (this.#held.get(position) !== claim) return
    this.#held.delete(position)
    const holder = this.#workstation.status(position).claim?.holder
    if (holder !== undefined && holder !== this.#workstation.station) this.#onTaken(position, holder)
    else this.claimAll() // it ended without renewal, as after a cut
    this.#listener.onChanged()
  }

  #onTaken(position: string, holder: string | undefined): void {
    const isNew = this.#taken === undefined
    if (!isNew && this.#taken?.holder === holder) return
    this.#taken = { position, holder }
    if (isNew && !this.#isEnded) {
      void this.#release()
      this.#listener.onTaken(this.#taken)
    }
    this.#listener.onChanged()
  }

  #onFree(): void {
    this.#taken = undefined
    this.#listener.onChanged()
  }

  async #release(): Promise<void> {
    const held = [...this.#held.values()]
    this.#held.clear()
    await Promise.all(held.map((claim) => claim.end()))
  }
}
