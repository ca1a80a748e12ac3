/**
 * A tick every second, also in a hidden page.
 *
 * Browsers run timers of hidden pages once a minute; those of a worker go on, so that a traveller is wiped in time.
 */

const WORKER = 'ticks.js'

/** Source of ticks. */
export class Ticks {
  readonly #onTick: () => void
  #worker: Worker | undefined
  #timer: ReturnType<typeof setInterval> | undefined

  constructor(onTick: () => void) {
    this.#onTick = onTick
  }

  /** Begin to tick. */
  start(): void {
    this.#timer = setInterval(this.#onTick, 1000)
    try {
      this.#worker = new Worker(workerUrl() as string)
      this.#worker.onmessage = this.#onTick
    } catch {
      // Where the page's policy permits no worker, a hidden page ticks once a minute.
    }
  }

  /** End it. */
  stop(): void {
    clearInterval(this.#timer)
    this.#worker?.terminate()
    this.#timer = this.#worker = undefined
  }
}

interface PolicyFactory {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): unknown }
}

let policy: ReturnType<PolicyFactory['createPolicy']> | undefined

/** Return the address of the worker: this one only, whatever is asked (Trusted Types). */
function workerUrl(): unknown {
  const url = new URL(WORKER, import.meta.url).href
  const factory = (globalThis as { trustedTypes?: PolicyFactory }).trustedTypes
  if (factory === undefined) return url
  policy ??= factory.createPolicy('borderpost-ticks', { createScriptURL: () => url })
  return policy.createScriptURL(url)
}
