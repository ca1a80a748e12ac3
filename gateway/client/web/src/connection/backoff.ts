/**
 * Wait before the next attempt: doubling, with jitter.
 *
 * All counters of a region lose the same broker at once and must not come back in step.
 */
export class Backoff {
  readonly #firstS: number
  readonly #maxS: number
  #attempts = 0

  constructor(firstS: number, maxS: number) {
    this.#firstS = firstS
    this.#maxS = maxS
  }

  /** Return the wait before the next attempt, in seconds. */
  nextS(): number {
    const ceiling = Math.min(this.#maxS, this.#firstS * 2 ** Math.min(this.#attempts, 30))
    this.#attempts += 1
    const floor = this.#firstS / 2
    return floor + Math.random() * (ceiling - floor)
  }

  /** Start again with short waits after a success. */
  reset(): void {
    this.#attempts = 0
  }
}
