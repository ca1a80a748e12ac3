/** Waiting: flags, changes, and limits of time. */

/** A flag that callers can wait for. */
export class AsyncEvent {
  #isSet = false
  #waiting: Deferred<void> | undefined

  /** True if it is set. */
  get isSet(): boolean {
    return this.#isSet
  }

  /** Set it, and wake all who wait. */
  set(): void {
    this.#isSet = true
    this.#waiting?.resolve()
    this.#waiting = undefined
  }

  /** Clear it. */
  clear(): void {
    this.#isSet = false
  }

  /** Wait until it is set. */
  async wait(): Promise<void> {
    if (this.#isSet) return
    this.#waiting ??= withResolvers<void>()
    await this.#waiting.promise
  }
}

/** Notices of a change: each wakes all who wait at that moment. */
export class Changes {
  #next = withResolvers<void>()

  /** Return a promise of the next change. */
  next(): Promise<void> {
    return this.#next.promise
  }

  /** Wake all who wait. */
  notify(): void {
    const told = this.#next
    this.#next = withResolvers<void>()
    told.resolve()
  }
}

/** Something did not happen in time. */
export class TimeLimitError extends Error {
  override readonly name = 'TimeLimitError'
}

/** Wait for a promise at most some seconds; rejects with TimeLimitError. */
export async function within<T>(promise: Promise<T>, seconds: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new TimeLimitError('not in time')), Math.max(0, seconds) * 1000)
  })
  try {
    return await Promise.race([promise, limit])
  } finally {
    clearTimeout(timer)
  }
}

/** A wait that can be ended early. */
export class Sleep {
  readonly done: Promise<void>
  #end: () => void = () => {}

  constructor(seconds: number) {
    this.done = new Promise((resolve) => {
      const timer = setTimeout(resolve, seconds * 1000)
      this.#end = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  /** End the wait now. */
  end(): void {
    this.#end()
  }
}

/** A promise with the functions that settle it. */
export interface Deferred<T> {
  readonly promise: Promise<T>
  resolve(value: T | PromiseLike<T>): void
  reject(reason?: unknown): void
}

/** Return a promise with the functions that settle it; `Promise.withResolvers` is missing in older browsers. */
export function withResolvers<T>(): Deferred<T> {
  let resolve!: (value: T | PromiseLike<T>) => void
  let reject!: (reason?: unknown) => void
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  return { promise, resolve, reject }
}
