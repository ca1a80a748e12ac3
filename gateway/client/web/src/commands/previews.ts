/** Preview of a camera at a workstation: only the newest picture, as long as it is current. */

import { PREVIEW_EXPIRY_S } from '../contract/constants.ts'
import type { Position } from '../contract/topics.ts'
import type { ShowPreviewArgs } from '../generated/types.ts'
import { nowS } from '../time/clock.ts'
import { Changes, Sleep } from '../time/waiting.ts'
import { ignored, type CommandingStation } from './claims.ts'

const DEFAULT_DURATION_S = 30

/**
 * Iterator over JPEGs; requires the claim of the camera.
 *
 * It ends, and holds no picture any more, when the gateway ends it, when the claim ends, or when the connection
 * is lost. A picture that the caller does not take in time is dropped.
 */
export class PreviewStream {
  readonly #workstation: CommandingStation
  readonly #position: Position
  readonly #request: ShowPreviewArgs
  readonly #changes = new Changes()
  /** An end that arrives before this is set belongs to an earlier preview. */
  #isStarted = false
  #picture: Uint8Array | undefined
  #isConsumed = true
  #receivedS = 0
  #isEnded = false
  #sleep: Sleep | undefined

  constructor(workstation: CommandingStation, position: Position, request: ShowPreviewArgs) {
    this.#workstation = workstation
    this.#position = position
    this.#request = request
  }

  /** Start the preview; rejects with CommandError. */
  async start(): Promise<this> {
    await this.#requestFrames()
    this.#isStarted = true
    void this.#renew()
    return this
  }

  /** End the preview. If the command fails, its lease ends it. */
  async end(): Promise<void> {
    const isOver = this.#isEnded || !this.#isStarted
    this.onFrame(new Uint8Array())
    if (isOver) return
    await ignored(this.#workstation.command(this.#position, 'preview', { enabled: false }, { timeoutS: 3 }))
  }

  /** The picture to show now; undefined without a current one. */
  get latestFrame(): Uint8Array | undefined {
    return nowS() - this.#receivedS <= PREVIEW_EXPIRY_S ? this.#picture : undefined
  }

  /** Iterate over the pictures until the end of the preview. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    while (!this.#isEnded) {
      const changed = this.#changes.next()
      const picture = this.#isConsumed ? undefined : this.latestFrame
      if (picture === undefined) {
        await changed
      } else {
        this.#isConsumed = true
        yield picture
      }
    }
  }

  /** Take a picture; an empty one ends the preview. */
  onFrame(frame: Uint8Array): void {
    if (this.#isEnded || !this.#isStarted) return
    this.#isEnded = frame.length === 0
    this.#picture = this.#isEnded ? undefined : frame
    this.#isConsumed = false
    this.#receivedS = nowS()
    if (this.#isEnded) this.#sleep?.end()
    this.#changes.notify()
  }

  async #requestFrames(): Promise<void> {
    await this.#workstation.command(this.#position, 'preview', { ...this.#request })
  }

  /** Renew the preview in time; without renewal it ends. */
  async #renew(): Promise<void> {
    while (!this.#isEnded) {
      this.#sleep = new Sleep((this.#request.duration_s ?? DEFAULT_DURATION_S) / 3)
      await this.#sleep.done
      if (!this.#isEnded) await ignored(this.#requestFrames())
    }
  }
}
