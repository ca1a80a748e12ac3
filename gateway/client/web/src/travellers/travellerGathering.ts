/** Gathering of events into travellers, one for each transaction. */

import type { ReceivedEvent } from '../models.ts'
import { Traveller, type Part } from './traveller.ts'

/** End of the name of every stream with events about persons. */
const STREAM = '/traveller'

/** Travellers of one counter by their transactions: the newest few, and those that are kept. */
export class TravellerGathering {
  readonly #wanted: readonly Part[]
  readonly #limit: number
  /** Travellers by transaction, the one with the newest event last. */
  readonly #travellers = new Map<string, Traveller>()
  readonly #kept = new Set<Traveller>()

  /** `wanted`: parts that the counter needs. `limit`: number of travellers beside those of `keep`. */
  constructor(wanted: Iterable<Part> = ['document'], { limit = 4 }: { readonly limit?: number } = {}) {
    this.#wanted = [...wanted]
    this.#limit = limit
  }

  /** Add an event to its traveller and return that; undefined for an event that is about no traveller. */
  take(event: ReceivedEvent): Traveller | undefined {
    if (event.eventType === undefined) return undefined
    if (!event.envelope.stream.endsWith(STREAM) && !event.is('barrier.passage')) return undefined
    const { transaction } = event.envelope
    const traveller = this.#travellers.get(transaction) ?? new Traveller(transaction, this.#wanted)
    this.#travellers.delete(transaction)
    this.#travellers.set(transaction, traveller)
    const before = event.is('document.read') ? event.data.previous_side_transaction : null
    traveller.take(event, before === null ? undefined : this.#travellers.get(before))
    const others = [...this.#travellers.values()].filter((one) => !this.#kept.has(one))
    for (const oldest of others.slice(0, Math.max(0, others.length - this.#limit))) this.forget(oldest)
    return traveller
  }

  /** Keep a traveller until `forget`, however many others come: the person is being served. */
  keep(traveller: Traveller): void {
    if (this.#travellers.get(traveller.transaction) === traveller) this.#kept.add(traveller)
  }

  /** Wipe a traveller: the person has left the counter. */
  forget(traveller: Traveller): void {
    if (this.#travellers.get(traveller.transaction) === traveller) this.#travellers.delete(traveller.transaction)
    this.#kept.delete(traveller)
    traveller.wipe()
  }

  /** Wipe all travellers: the officer locks the counter. */
  forgetAll(): void {
    for (const traveller of [...this.#travellers.values()]) this.forget(traveller)
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
