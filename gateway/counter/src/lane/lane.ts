/** One lane at the counter: its traveller, its devices, and the times at which everything is wiped. */

import {
  DeviceStatus,
  type BarrierAlarm,
  type BarrierState,
  type FeedbackCode,
  type FrameFault,
  type PortraitAdvice,
  type ReceivedEvent,
  type Workstation,
} from 'borderpost-client'

import { Actions } from './actions.ts'
import { LaneClaims } from './claims.ts'
import { Deadlines, type Deadline, type DeadlineOptions, type DueAction } from './deadlines.ts'
import { LaneDevices } from './devices.ts'
import { Traveller } from './traveller.ts'

/** Feedback that says what to do or what happens, not what was wrong. */
const CAPTURE_STEPS: ReadonlySet<FeedbackCode> = new Set(['place', 'recognised', 'keep_still', 'assessing', 'lift'])

/** Something that went wrong and that a person should know; the newest of each kind is shown. */
export type Notice =
  | { readonly kind: 'read_failed'; readonly fault: FrameFault }
  | { readonly kind: 'alarm'; readonly alarm: BarrierAlarm }
  | { readonly kind: 'passage'; readonly isPermitted: boolean; readonly isTailgating: boolean; readonly isReverse: boolean }

/** Reason of a wiping. */
export type WipeReason = 'officer' | 'next' | 'removed' | 'passed' | 'locked' | 'link' | 'lane' | 'hidden'

/** What the lane reports to its element. */
export interface LaneListener {
  onChanged(): void
  /** Called before a traveller's data are dropped. */
  onWiped(reason: WipeReason): void
  onLockDue(): void
}

/** State and behaviour of one lane, without any page. */
export class Lane {
  readonly name: string
  readonly workstation: Workstation
  readonly devices: LaneDevices
  readonly claims: LaneClaims
  readonly actions: Actions
  /** The traveller who is at the counter; undefined while there is none. */
  traveller: Traveller | undefined
  /** Advice to the person at the scanner: what was wrong with the last placement, if anything, and what to do now. */
  fingerAdvice: readonly FeedbackCode[] = []
  /** Newest advice to the person at the camera. */
  faceAdvice: PortraitAdvice | undefined
  readonly notices = new Map<Notice['kind'], Notice>()
  readonly #listener: LaneListener
  readonly #deadlines: Deadlines
  /** Traveller whose card may lie on the reader again, with its other side. */
  #before: Traveller | undefined
  #lostSinceMs: number | undefined
  #isEnded = false

  constructor(
    name: string,
    workstation: Workstation,
    positions: readonly string[],
    deadlines: DeadlineOptions,
    listener: LaneListener,
  ) {
    this.name = name
    this.workstation = workstation
    this.#listener = listener
    this.#deadlines = new Deadlines(deadlines, seconds())
    this.devices = new LaneDevices(workstation, positions)
    this.claims = new LaneClaims(workstation, positions, {
      onTaken: () => this.wipe('lane'),
      onChanged: () => listener.onChanged(),
    })
    this.actions = new Actions(this, () => listener.onChanged())
  }

  /** Take events and changes of devices until the workstation ends. */
  async run(): Promise<void> {
    const items = this.workstation.eventsAndStatus()
    for (;;) {
      // Not `for await`: its variable would hold the last event, with its images, until the next one.
      const { value, done } = await items.next()
      if (done === true || this.#isEnded) return
      this.#onItem(value)
    }
  }

  /** Release the lane and drop everything. */
  async end(): Promise<void> {
    this.#isEnded = true
    this.wipe('locked')
    await this.claims.end()
  }

  /** True while there is a connection to the broker. */
  get isConnected(): boolean {
    return this.workstation.connectedEvent.isSet
  }

  /** Moment at which the connection was lost; undefined while there is one, or before the first. */
  get lostSince(): Date | undefined {
    return this.#lostSinceMs === undefined ? undefined : new Date(this.#lostSinceMs)
  }

  /** True while what is shown of the traveller may be outdated. */
  get isStale(): boolean {
    if (!this.isConnected) return true
    const reader = this.devices.of('passport_reader')
    return reader !== undefined && reader.status.state !== undefined && !reader.status.gatewayOnline
  }

  /** State of the gate as its sensors say; undefined while none is certain. */
  get gate(): BarrierState | undefined {
    const barrier = this.devices.of('barrier')
    const value = barrier && this.workstation.lastValue(barrier.position, 'barrier.state')
    return value?.data as BarrierState | undefined
  }

  /** The next deadline of the screen. */
  get deadline(): Deadline | undefined {
    const { traveller } = this
    const facts = {
      hasTraveller: traveller !== undefined || this.#before !== undefined,
      isDocumentGone: traveller?.isDocumentPresent !== true,
      hasPassed: traveller?.passage !== undefined,
      isLinkLost: this.isStale,
    }
    return this.#deadlines.next(facts, seconds())
  }

  /** Take a key or a touch of the officer. */
  onActivity(): void {
    this.#deadlines.onActivity(seconds())
  }

  /** Do what is due; call it every second. */
  tick(): void {
    if (this.isConnected) this.#lostSinceMs = undefined
    else this.#lostSinceMs ??= Date.now()
    this.claims.claimAll()
    const due = this.deadline
    if (due !== undefined && due.leftS <= 0) this.#onDue(due.action)
    this.#listener.onChanged()
  }

  /** Return the traveller at the counter; a person without a document becomes one by the first picture. */
  requireTraveller(): Traveller {
    this.traveller ??= new Traveller(crypto.randomUUID())
    this.#listener.onChanged()
    return this.traveller
  }

  /** Drop everything of the traveller. */
  wipe(reason: WipeReason): void {
    const hadTraveller = this.traveller !== undefined || this.#before !== undefined
    if (hadTraveller) this.#listener.onWiped(reason)
    this.actions.stop()
    this.#before?.wipe()
    this.traveller?.wipe()
    this.#before = this.traveller = undefined
    this.fingerAdvice = []
    this.faceAdvice = undefined
    this.notices.delete('read_failed')
    this.notices.delete('passage')
    this.workstation.dropQueued()
    this.#listener.onChanged()
  }

  /** Remove a notice that the officer has read. */
  dismiss(kind: Notice['kind']): void {
    this.notices.delete(kind)
    this.#listener.onChanged()
  }

  #onDue(action: DueAction): void {
    if (action === 'lock') this.#listener.onLockDue()
    else if (this.isStale) this.wipe('link')
    else this.wipe(this.traveller?.passage === undefined ? 'removed' : 'passed')
  }

  #onItem(item: ReceivedEvent | DeviceStatus): void {
    if (item instanceof DeviceStatus) {
      this.claims.claimAll()
    } else if (this.claims.taken === undefined) {
      // Events of a lane that another counter has are none of this officer's business.
      this.#onEvent(item)
    }
    this.#listener.onChanged()
  }

  #onEvent(event: ReceivedEvent): void {
    if (event.is('barrier.alarm')) {
      this.notices.set('alarm', { kind: 'alarm', alarm: event.data })
    } else if (event.is('document.read_failed')) {
      this.notices.set('read_failed', { kind: 'read_failed', fault: event.data.fault })
      this.#deadlines.onActivity(seconds())
    } else if (event.is('face.feedback')) {
      this.faceAdvice = event.data.advice
    } else if (event.is('finger.feedback')) {
      if (event.envelope.transaction === this.traveller?.transaction) this.#onFingerFeedback(event.data.feedback)
    } else {
      this.#onTravellerEvent(event)
    }
  }

  /** Keep what was wrong beside the steps after it: the scanner asks at once to lift the finger, and to place it again. */
  #onFingerFeedback(feedback: FeedbackCode): void {
    const isStep = CAPTURE_STEPS.has(feedback)
    const wrong = feedback === 'assessing' ? [] : this.fingerAdvice.filter((before) => !CAPTURE_STEPS.has(before))
    this.fingerAdvice = isStep ? [...wrong, feedback] : [feedback]
  }

  #onTravellerEvent(event: ReceivedEvent): void {
    const { transaction, type } = event.envelope
    const isDocument = type.startsWith('bgw.document.')
    if (event.is('barrier.passage')) this.#onPassage(event)
    if (transaction !== this.traveller?.transaction) {
      // Only a document begins a traveller, and its removal ends one that is no longer here.
      if (!isDocument || event.is('document.removed')) return
      if (transaction === this.#before?.transaction) return
      this.#beginDocument(transaction)
    }
    const { traveller } = this
    if (traveller === undefined) return
    traveller.take(event)
    if (isDocument) this.notices.delete('read_failed')
    if (event.is('document.read')) this.#joinSides(event.data.previous_side_transaction)
    if (event.is('finger.captured') || event.is('finger.capture_ended')) this.fingerAdvice = []
    this.#deadlines.onActivity(seconds())
  }

  #onPassage(event: ReceivedEvent): void {
    if (!event.is('barrier.passage')) return
    const { permitted, tailgating, direction } = event.data
    this.notices.set('passage', {
      kind: 'passage',
      isPermitted: permitted,
      isTailgating: tailgating,
      isReverse: direction === 'reverse',
    })
  }

  /** Begin a document: that of another person, or the other side of the same card. */
  #beginDocument(transaction: string): void {
    const { traveller } = this
    if (traveller !== undefined && !traveller.hasDocument) {
      // Pictures that were taken before the document belong to the same person.
      this.traveller = new Traveller(transaction, traveller)
      return
    }
    this.notices.delete('passage')
    this.#before?.wipe()
    this.#before = undefined
    if (traveller !== undefined) {
      const isFirstSide = traveller.document !== undefined && traveller.passage === undefined
      if (isFirstSide) {
        this.actions.stop()
        this.#before = traveller
      } else {
        this.wipe('next')
      }
    }
    this.traveller = new Traveller(transaction)
  }

  /** Join the other side of a card, or drop the person before. */
  #joinSides(previous: string | null): void {
    const before = this.#before
    this.#before = undefined
    if (before === undefined) return
    if (before.transaction === previous) {
      this.traveller?.join(before)
    } else {
      before.wipe()
      this.#listener.onWiped('next')
    }
  }
}

/** Return a clock that never steps, in seconds. */
function seconds(): number {
  return performance.now() / 1000
}
