/** Traveller: everything that came with one transaction, and what is still missing. */

import type {
  BarrierPassage,
  CaptureEnded,
  Check,
  ChipResult,
  DocumentRead,
  FaceCaptured,
  FingerCaptured,
  Mrz,
} from '../generated/types.ts'
import type { ReceivedEvent } from '../models.ts'

/** Parts of a traveller that a counter may need, in the order in which `missing` names them. */
export const PARTS = ['document', 'chip', 'page', 'portrait', 'prints', 'passage'] as const

/**
 * Part of a traveller: `document` is the sum of the read, `page` an image of the page under any light,
 * `portrait` a picture by the counter's camera.
 */
export type Part = (typeof PARTS)[number]

/** A picture of the person, with its measurements. */
export interface Portrait {
  readonly captured: FaceCaptured
  readonly image: Uint8Array
}

/** A fingerprint in every encoding that came: `png`, `wsq`, ... */
export interface Print {
  readonly captured: FingerCaptured
  readonly images: ReadonlyMap<string, Uint8Array>
}

/** Everything that is known of a person. */
interface Known {
  mrz: Mrz | undefined
  document: DocumentRead | undefined
  chip: ChipResult | undefined
  readonly images: Map<string, Uint8Array>
  portrait: Portrait | undefined
  readonly prints: Print[]
  captureEnded: CaptureEnded | undefined
  passage: BarrierPassage | undefined
  isDocumentPresent: boolean
  isSimulated: boolean
  otherSide: Traveller | undefined
  readonly lostImages: string[]
  readonly checks: Map<string, Check>
}

function nothing(): Known {
  return {
    mrz: undefined,
    document: undefined,
    chip: undefined,
    images: new Map(),
    portrait: undefined,
    prints: [],
    captureEnded: undefined,
    passage: undefined,
    isDocumentPresent: false,
    isSimulated: false,
    otherSide: undefined,
    lostImages: [],
    checks: new Map(),
  }
}

/**
 * Everything that came with one transaction. It grows with each event; `wipe` empties it.
 *
 * Give its `transaction` to the commands for this person, so that their events come back here. What is known is
 * in private fields, so that neither `JSON.stringify` nor a log has it.
 */
export class Traveller {
  readonly transaction: string
  /** Parts that this counter needs; `missing` names those that have not come. */
  readonly wanted: ReadonlySet<Part>
  #known = nothing()

  constructor(transaction: string, wanted: Iterable<Part> = []) {
    this.transaction = transaction
    this.wanted = new Set(wanted)
  }

  /** The machine readable zone, from `document.mrz` or the sum of the read. */
  get mrz(): Mrz | undefined {
    return this.#known.mrz
  }

  /** Sum of the read; undefined before it has come. */
  get document(): DocumentRead | undefined {
    return this.#known.document
  }

  /** Result of the chip; undefined before it has come, and without a chip. */
  get chip(): ChipResult | undefined {
    return this.#known.chip
  }

  /** Images of the document and of its chip by role, such as `page_visible` and `chip_face`. */
  get images(): ReadonlyMap<string, Uint8Array> {
    return this.#known.images
  }

  /** The newest portrait. */
  get portrait(): Portrait | undefined {
    return this.#known.portrait
  }

  /** Fingerprints in the order they came. */
  get prints(): readonly Print[] {
    return this.#known.prints
  }

  /** End of the newest capture of fingers: why there is no print, if there is none. */
  get captureEnded(): CaptureEnded | undefined {
    return this.#known.captureEnded
  }

  /** The newest passage through the gate. One that turned back still misses its passage. */
  get passage(): BarrierPassage | undefined {
    return this.#known.passage
  }

  /** True while the document lies on the reader, where the reader can tell. */
  get isDocumentPresent(): boolean {
    return this.#known.isDocumentPresent
  }

  /** True if any of it came from no real device. */
  get isSimulated(): boolean {
    return this.#known.isSimulated
  }

  /** The side of the card that was read just before this one. */
  get otherSide(): Traveller | undefined {
    return this.#known.otherSide
  }

  /** Roles of images that were announced and did not arrive. */
  get lostImages(): readonly string[] {
    return this.#known.lostImages
  }

  /** Newest result of each check. */
  get checks(): readonly Check[] {
    return [...this.#known.checks.values()]
  }

  /** Wanted parts that have not come, in the order of `PARTS`. A document without a chip lacks none. */
  get missing(): readonly Part[] {
    return PARTS.filter((part) => this.wanted.has(part) && !this.#has(part))
  }

  /** True if nothing wanted is missing. */
  get isComplete(): boolean {
    return this.missing.length === 0
  }

  /** Add one event of this transaction. `before`: the traveller of the card's other side. */
  take(event: ReceivedEvent, before?: Traveller): void {
    const known = this.#known
    known.isSimulated ||= event.isSimulated
    known.otherSide = before ?? known.otherSide
    for (const { role } of announced(event)) if (!event.images.has(role)) known.lostImages.push(role)
    if (event.is('document.mrz')) {
      known.mrz = event.data.mrz ?? undefined
      known.isDocumentPresent = true
      this.#takeChecks(event.data.checks)
    } else if (event.is('document.image')) {
      this.#takeImages(event)
    } else if (event.is('document.chip')) {
      known.chip = event.data.chip
      this.#takeImages(event)
      this.#takeChecks(event.data.chip.checks)
    } else if (event.is('document.read')) {
      known.document = event.data
      known.mrz = event.data.mrz ?? undefined
      known.chip = event.data.chip ?? known.chip
      this.#takeImages(event)
      this.#takeChecks(event.data.checks)
    } else if (event.is('document.checked') || event.is('document.barcode')) {
      this.#takeChecks(event.data.checks)
    } else if (event.is('document.removed')) {
      known.isDocumentPresent = false
    } else if (event.is('face.captured')) {
      const [image = new Uint8Array()] = event.images.values()
      known.portrait = { captured: event.data, image }
    } else if (event.is('finger.captured')) {
      known.prints.push({ captured: event.data, images: event.images })
    } else if (event.is('finger.capture_ended')) {
      known.captureEnded = event.data
    } else if (event.is('barrier.passage')) {
      known.passage = event.data
    }
  }

  /** Drop all that is known of the person; `transaction` stays. */
  wipe(): void {
    this.#known = nothing()
  }

  #takeImages(event: ReceivedEvent): void {
    for (const [role, image] of event.images) this.#known.images.set(role, image)
  }

  #takeChecks(checks: readonly Check[]): void {
    for (const check of checks) this.#known.checks.set(check.id, check)
  }

  #has(part: Part): boolean {
    const known = this.#known
    switch (part) {
      case 'document':
        return known.document !== undefined
      case 'chip':
        return known.chip !== undefined || known.document !== undefined
      case 'page':
        return [...known.images.keys()].some((role) => role.startsWith('page'))
      case 'portrait':
        return known.portrait !== undefined
      case 'prints':
        return known.prints.length > 0
      case 'passage':
        return known.passage?.direction === 'forward'
    }
  }
}

/** Return the images that an event lists. */
function announced(event: ReceivedEvent): readonly { readonly role: string }[] {
  const { attachments } = event.data as { attachments?: readonly { readonly role: string }[] }
  return attachments ?? []
}
