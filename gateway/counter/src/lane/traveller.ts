/** Traveller at the counter: the client's, and what a screen needs beyond it. */

import {
  Traveller as Gathered,
  type Barcode,
  type BarrierPassage,
  type CaptureEnded,
  type Check,
  type ChipProgress,
  type ChipResult,
  type DocumentRead,
  type Mrz,
  type Portrait,
  type Print,
  type ReceivedEvent,
} from 'borderpost-client'

/** An image of the document, and its media type. */
export interface DocumentImage {
  readonly bytes: Uint8Array
  readonly mediaType: string
}

/** Everything of one traveller. It grows with each event; `wipe` empties it. */
export class Traveller {
  readonly #gathered: Gathered
  /** The same person before: the other side of the card, or pictures that were taken without a document. */
  #before: Traveller | undefined
  readonly #mediaTypes = new Map<string, string>()
  /** Progress of the chip while it is read. */
  chipProgress: ChipProgress | undefined
  /** Lines of the zone as they were read. */
  lines: readonly string[] = []
  barcodes: readonly Barcode[] = []
  /** Fingerprints; another array after each one. */
  prints: readonly Print[]
  /** True while the document lies on the reader; undefined while none has come, or where the reader cannot tell. */
  isDocumentPresent: boolean | undefined

  constructor(transaction: string, before?: Traveller) {
    this.#gathered = new Gathered(transaction)
    this.#before = before
    this.prints = before?.prints ?? []
  }

  get transaction(): string {
    return this.#gathered.transaction
  }

  /** True once anything of a document has come. */
  get hasDocument(): boolean {
    return this.isDocumentPresent !== undefined || this.document !== undefined || this.#gathered.mrz !== undefined
  }

  get document(): DocumentRead | undefined {
    return this.#gathered.document
  }

  get chip(): ChipResult | undefined {
    return this.#gathered.chip
  }

  get captureEnded(): CaptureEnded | undefined {
    return this.#gathered.captureEnded
  }

  get passage(): BarrierPassage | undefined {
    return this.#gathered.passage
  }

  /** True if any of it came from no real device. */
  get isSimulated(): boolean {
    return this.#gathered.isSimulated || this.#before?.isSimulated === true
  }

  get mrz(): Mrz | undefined {
    return this.#gathered.mrz ?? this.#before?.mrz
  }

  get portrait(): Portrait | undefined {
    return this.#gathered.portrait ?? this.#before?.portrait
  }

  /** Newest result of each check, also of the other side of a card. */
  get checks(): ReadonlyMap<string, Check> {
    const own = this.#gathered.checks.map((check) => [check.id, check] as const)
    return new Map([...(this.#before?.checks ?? []), ...own])
  }

  /** The side of the card that was read before this one. */
  get otherSide(): Traveller | undefined {
    return this.#before?.hasDocument === true ? this.#before : undefined
  }

  /** Zone in the chip; undefined without one. */
  get chipMrz(): Mrz | undefined {
    return this.chip?.mrz ?? undefined
  }

  /** Portrait that is printed on the page. */
  get printedFace(): DocumentImage | undefined {
    return this.image('face_visible') ?? this.otherSide?.image('face_visible')
  }

  /** Portrait of the chip, in a form that a browser can show. */
  get chipFace(): DocumentImage | undefined {
    return this.image('chip_face_decoded') ?? this.image('chip_face')
  }

  /** Return an image of document or chip by its role, such as `page_visible`. */
  image(role: string): DocumentImage | undefined {
    const bytes = this.#gathered.images.get(role)
    return bytes && { bytes, mediaType: this.#mediaTypes.get(role) ?? '' }
  }

  /** Add one event of this transaction. */
  take(event: ReceivedEvent): void {
    this.#gathered.take(event)
    this.#takeMediaTypes(event)
    if (event.is('document.placed')) {
      this.isDocumentPresent = true
    } else if (event.is('document.mrz')) {
      this.lines = event.data.lines
    } else if (event.is('document.barcode')) {
      this.barcodes = [...this.barcodes, event.data.barcode]
    } else if (event.is('document.chip_progress')) {
      this.chipProgress = event.data.progress
    } else if (event.is('document.chip')) {
      this.chipProgress = undefined
    } else if (event.is('document.read')) {
      this.chipProgress = undefined
      this.lines = event.data.lines
      if (event.data.barcodes.length > 0) this.barcodes = event.data.barcodes
      // A swipe leaves no document behind; readers that hold one say when it is gone.
      if (event.data.trigger === 'swipe') this.isDocumentPresent ??= false
    } else if (event.is('document.removed')) {
      this.isDocumentPresent = false
    } else if (event.is('finger.captured')) {
      this.prints = [...(this.#before?.prints ?? []), ...this.#gathered.prints]
    }
  }

  /** Take over what the side of the card that was read before has: it is the same person. */
  join(otherSide: Traveller): void {
    this.#before = otherSide
    this.prints = [...otherSide.prints, ...this.#gathered.prints]
  }

  /** Drop all that is known of the person. */
  wipe(): void {
    this.#before?.wipe()
    this.#gathered.wipe()
    this.#mediaTypes.clear()
    this.#before = this.chipProgress = this.isDocumentPresent = undefined
    this.lines = this.barcodes = this.prints = []
  }

  #takeMediaTypes(event: ReceivedEvent): void {
    if (event.is('document.image') || event.is('document.chip') || event.is('document.read')) {
      for (const { role, media_type: mediaType } of event.data.attachments) this.#mediaTypes.set(role, mediaType)
    }
  }
}
