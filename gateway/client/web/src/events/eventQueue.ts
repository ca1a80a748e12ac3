/** Queue between the connection and the caller of a workstation. */

import { DeviceStatus, ReceivedEvent, type DiscardCounts } from '../models.ts'
import { nowS } from '../time/clock.ts'
import { Changes } from '../time/waiting.ts'

const MAX_QUEUED_EVENTS = 10_000

/** Events and status changes in the order of their arrival; the oldest are dropped when it is full. */
export class EventQueue {
  readonly #discarded: DiscardCounts
  readonly #changes = new Changes()
  #items: (ReceivedEvent | DeviceStatus)[] = []
  #isEnded = false

  constructor(discarded: DiscardCounts) {
    this.#discarded = discarded
  }

  /** Number of items that wait for the caller. */
  get length(): number {
    return this.#items.length
  }

  /** Append an item. */
  put(item: ReceivedEvent | DeviceStatus): void {
    this.#items.push(item)
    if (this.length > MAX_QUEUED_EVENTS) this.#items.shift()
    this.#changes.notify()
  }

  /** End the iteration of all callers; what waits is dropped. */
  end(): void {
    this.clear()
    this.#isEnded = true
    this.#changes.notify()
  }

  /** Drop what waits. */
  clear(): void {
    this.#items = []
  }

  /** Iterate until the end; events that became stale in the queue are dropped and counted. */
  async *items(): AsyncGenerator<ReceivedEvent | DeviceStatus, void, void> {
    while (!this.#isEnded) {
      const changed = this.#changes.next()
      for (let item = this.#items.shift(); item !== undefined; item = this.#items.shift()) {
        if (item instanceof ReceivedEvent && item.isStaleAt(nowS())) {
          this.#discarded.expired += 1
        } else {
          yield item
        }
      }
      if (!this.#isEnded) await changed
    }
  }
}
