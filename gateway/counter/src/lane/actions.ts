/** Actions of the officer: portrait, prints, gate. Each says how far it is, and why it was not done. */

import { CommandError, COMMANDS, type FingerPosition, type PreviewStream } from 'borderpost-client'

import type { CounterFamily, LaneDevice } from './devices.ts'
import type { Lane } from './lane.ts'

/** Parts of the counter that an action belongs to. */
export type ActionPart = 'portrait' | 'prints' | 'gate'

/** Why an action was not done. */
export interface Failure {
  /** Word of the contract's reasons of commands. */
  readonly reason: string
  /** The gateway's own sentence, in English, for a word that has no translation. */
  readonly text: string
}

/** Frames of which the best portrait is chosen, and placements of which the best print is. */
const BEST_OF_FRAMES = 5
const BEST_OF_PRINTS = 3
const PORTRAIT_TIMEOUT_S = 8
const PRINT_TIMEOUT_S = 30
/** Time for an answer beyond that of the capture itself, in seconds. */
const ANSWER_S = 5
const GATE_TIMEOUT_S = 20

const FAMILY: Readonly<Record<ActionPart, CounterFamily>> = {
  portrait: 'camera',
  prints: 'fingerprint_scanner',
  gate: 'barrier',
}

/** What is being done at the lane, and what has failed. */
export class Actions {
  readonly #lane: Lane
  readonly #onChanged: () => void
  readonly #running = new Set<ActionPart>()
  readonly #failures = new Map<ActionPart, Failure>()
  /** Number of the traveller: what was begun for one before is not reported. */
  #traveller = 0
  #preview: PreviewStream | undefined
  #isPreviewWanted = false
  /** True while the picture itself is taken. */
  isCapturing = false
  /** Newest picture of the preview; undefined without a current one. */
  frame: Uint8Array | undefined
  /** Fingers that the person cannot give, with the reason. */
  readonly missing = new Map<FingerPosition, string>()

  constructor(lane: Lane, onChanged: () => void) {
    this.#lane = lane
    this.#onChanged = onChanged
  }

  /** Return the device of a part. */
  device(part: ActionPart): LaneDevice | undefined {
    return this.#lane.devices.of(FAMILY[part])
  }

  /** Tell whether a part can be used now. */
  isPossible(part: ActionPart): boolean {
    return this.#lane.isConnected && this.#lane.claims.taken === undefined && this.device(part)?.status.isUsable === true
  }

  /** Tell whether something of a part is under way. */
  isRunning(part: ActionPart): boolean {
    return this.#running.has(part)
  }

  /** Return why the last action of a part was not done; undefined if it was. */
  failure(part: ActionPart): Failure | undefined {
    return this.#failures.get(part)
  }

  /** True while pictures of the camera are shown. */
  get isPreviewing(): boolean {
    return this.#isPreviewWanted
  }

  /** Show what the camera sees. */
  async startPreview(): Promise<void> {
    if (this.#isPreviewWanted) return
    this.#isPreviewWanted = true
    await this.#do('portrait', async (position) => {
      const preview = await this.#lane.workstation.preview(position, { subject: 'portrait', frames_per_s: 8, width_px: 480 })
      if (!this.#isPreviewWanted) {
        await preview.end()
        return
      }
      this.#preview = preview
      void this.#showFrames(preview)
    })
    if (this.#failures.has('portrait')) this.#isPreviewWanted = false
    this.#onChanged()
  }

  /** End the preview. */
  stopPreview(): void {
    this.#endPreview()
  }

  /** Take the portrait: the best of several pictures. */
  async takePortrait(): Promise<void> {
    const { transaction } = this.#lane.requireTraveller()
    this.isCapturing = true
    await this.#do('portrait', async (position) => {
      const args = { subject: 'portrait', best_of: BEST_OF_FRAMES, timeout_s: PORTRAIT_TIMEOUT_S } as const
      const options = { transaction, timeoutS: PORTRAIT_TIMEOUT_S + ANSWER_S }
      await this.#lane.workstation.command(position, COMMANDS.cameraCapture, args, options)
      this.#endPreview()
    })
    this.isCapturing = false
    this.#onChanged()
  }

  /** Take a print. */
  async takePrint(finger: FingerPosition): Promise<void> {
    const { transaction } = this.#lane.requireTraveller()
    this.#lane.fingerAdvice = []
    await this.#do('prints', async (position) => {
      const several = SLAPS[finger]
      const args = {
        position: finger,
        best_of: BEST_OF_PRINTS,
        timeout_s: PRINT_TIMEOUT_S,
        ...(several === undefined ? {} : { missing_fingers: several.filter((one) => this.missing.has(one)) }),
      }
      const options = { transaction, timeoutS: PRINT_TIMEOUT_S + ANSWER_S }
      await this.#lane.workstation.command(position, 'capture', args, options)
    })
  }

  /** End a capture of prints; if that fails, the capture ends by itself. */
  async cancelPrint(): Promise<void> {
    const device = this.device('prints')
    if (device === undefined || !this.#running.has('prints')) return
    await this.#lane.workstation
      .command(device.position, COMMANDS.fingerprintScannerCancel)
      .catch((error: unknown) => requireCommandError(error))
  }

  /** Note that a person cannot give a finger, or can again. */
  setMissing(finger: FingerPosition, reason: string | undefined): void {
    if (reason === undefined) this.missing.delete(finger)
    else this.missing.set(finger, reason)
    this.#onChanged()
  }

  /** Open the gate for one passage. */
  async openGate(): Promise<void> {
    const { traveller } = this.#lane
    await this.#do('gate', async (position) => {
      const options = { timeoutS: GATE_TIMEOUT_S, ...(traveller && { transaction: traveller.transaction }) }
      await this.#lane.workstation.command(position, COMMANDS.barrierOpen, {}, options)
    })
  }

  /** Close the gate. */
  async closeGate(): Promise<void> {
    await this.#do('gate', async (position) => {
      await this.#lane.workstation.command(position, COMMANDS.barrierClose, {}, { timeoutS: GATE_TIMEOUT_S })
    })
  }

  /** Stop the gate; also while it opens. */
  async stopGate(): Promise<void> {
    const device = this.device('gate')
    if (device === undefined) return
    await this.#lane.workstation
      .command(device.position, COMMANDS.barrierStop)
      .catch((error: unknown) => this.#onFailure('gate', error, this.#traveller))
  }

  /** End what belongs to a traveller, and forget what failed. */
  stop(): void {
    this.#traveller += 1
    this.#endPreview()
    void this.cancelPrint()
    this.#failures.clear()
    this.missing.clear()
  }

  async #do(part: ActionPart, act: (position: string) => Promise<void>): Promise<void> {
    const device = this.device(part)
    if (device === undefined || this.#running.has(part)) return
    const traveller = this.#traveller
    this.#running.add(part)
    this.#failures.delete(part)
    this.#onChanged()
    try {
      await act(device.position)
    } catch (error) {
      this.#onFailure(part, error, traveller)
    } finally {
      this.#running.delete(part)
      this.#onChanged()
    }
  }

  #onFailure(part: ActionPart, error: unknown, traveller: number): void {
    const { reason, text } = requireCommandError(error)
    if (reason === 'cancelled' || traveller !== this.#traveller) return
    this.#failures.set(part, { reason, text })
    this.#onChanged()
  }

  async #showFrames(preview: PreviewStream): Promise<void> {
    const frames = preview[Symbol.asyncIterator]()
    for (;;) {
      const { value, done } = await frames.next()
      if (done === true || this.#preview !== preview) break
      this.frame = value
      this.#onChanged()
    }
    if (this.#preview === preview) this.#endPreview()
  }

  #endPreview(): void {
    const preview = this.#preview
    this.#isPreviewWanted = false
    this.#preview = undefined
    this.frame = undefined
    this.#lane.faceAdvice = undefined
    if (preview !== undefined) void preview.end()
    this.#onChanged()
  }
}

/** Return an error of a command; throws any other. */
function requireCommandError(error: unknown): CommandError {
  if (error instanceof CommandError) return error
  throw error
}

const RIGHT: readonly FingerPosition[] = ['right_index', 'right_middle', 'right_ring', 'right_little']
const LEFT: readonly FingerPosition[] = ['left_index', 'left_middle', 'left_ring', 'left_little']

/** Fingers of a capture of several at once. */
const SLAPS: Partial<Readonly<Record<FingerPosition, readonly FingerPosition[]>>> = {
  right_four: RIGHT,
  left_four: LEFT,
  both_thumbs: ['right_thumb', 'left_thumb'],
}
