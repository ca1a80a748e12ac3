/** Gathering of events into travellers, one for each transaction. */

import type { ReceivedEvent } from '../models.ts'
import { Traveller, type Part } from './traveller.ts'

/** End of the name of every stream with events about persons. */
const STREAM = '/traveller'

/** Travellers of one counter by their transactions: the newest few; older ones are wiped. */
export class TravellerGathering {
  readonly #wanted: readonly Part[]
  readonly #limit: number
  readonly #kept = new Map<string, Traveller>()

  /** `wanted`: parts that the counter needs. `limit`: how many travellers are kept. */
  constructor(wanted: Iterable<Part> = ['document'], { limit = 4 }: { readonly limit?: number } = {}) {
    this.#wanted = [...wanted]
    this.#limit = limit
  }

  /** Add an event to its traveller and return that; undefined for an event that is about no traveller. */
  take(event: ReceivedEvent): Traveller | undefined {
    if (event.eventType === undefined) return undefined
    if (!event.envelope.stream.endsWith(STREAM) && !event.is('barrier.passage')) return undefined
    const { transaction } = event.envelope
    const traveller = this.#kept.get(transaction) ?? new Traveller(transaction, this.#wanted)
    this.#kept.delete(transaction)
    this.#kept.set(transaction, traveller) // the newest is the last
    const before = event.is('document.read') ? event.data.previous_side_transaction : null
    traveller.take(event, before === null ? undefined : this.#kept.get(before))
    for (const [oldest, left] of this.#kept) {
      if (this.#kept.size <= this.#limit) break
      this.#kept.delete(oldest)
      left.wipe()
    }
    return traveller
  }

  /** Wipe a traveller: the person has left the counter. */
  forget(traveller: Traveller): void {
    if (this.#kept.get(traveller.transaction) === traveller) this.#kept.delete(traveller.transaction)
    traveller.wipe()
  }

  /** Wipe all travellers: the officer locks the counter. */
  forgetAll(): void {
    for (const traveller of this.#kept.values()) traveller.wipe()
    this.#kept.clear()
  }
}

/** Yield a traveller each time that something of it has come: the same object for one transaction. */
export async function* gatherTravellers(
  events: AsyncIterable<ReceivedEvent>,
  gathering: TravellerGathering,
): AsyncGenerator<Traveller, void, void> {
  for await (const event of events) {
    const traveller = gathering.take(event)
    if (traveller !== undefined) yield traveller
  }
}
