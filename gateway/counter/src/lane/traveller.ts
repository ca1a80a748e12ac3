/** Traveller: everything that came with one transaction, from the document to the passage. */

import type {
  Barcode,
  BarrierPassage,
  CaptureEnded,
  Check,
  ChipProgress,
  ChipResult,
  DocumentRead,
  FaceCaptured,
  FingerCaptured,
  Mrz,
  ReceivedEvent,
} from 'borderpost-client'

/** A picture of the person at the counter. */
export interface Portrait {
  readonly captured: FaceCaptured
  readonly image: Uint8Array | undefined
}

/** A fingerprint, in the encoding that a browser can show; undefined where none was sent. */
export interface Print {
  readonly captured: FingerCaptured
  readonly image: Uint8Array | undefined
}

/** An image of the document, and its media type. */
export interface DocumentImage {
  readonly bytes: Uint8Array
  readonly mediaType: string
}

/** Everything of one traveller. It grows with each event; `wipe` empties it. */
export class Traveller {
  readonly transaction: string
  mrz: Mrz | undefined
  lines: readonly string[] = []
  document: DocumentRead | undefined
  chip: ChipResult | undefined
  chipProgress: ChipProgress | undefined
  /** Images of document and chip by role, such as `page_visible` and `chip_face`. */
  readonly images = new Map<string, DocumentImage>()
  readonly checks = new Map<string, Check>()
  barcodes: readonly Barcode[] = []
  portrait: Portrait | undefined
  prints: readonly Print[] = []
  captureEnded: CaptureEnded | undefined
  passage: BarrierPassage | undefined
  /** True while the document lies on the reader; undefined where the reader cannot tell. */
  isDocumentPresent: boolean | undefined
  /** True if any of it came from no real device. */
  isSimulated = false
  /** The side of the card that was read just before this one. */
  otherSide: Traveller | undefined
  /** Roles of images that were announced and did not arrive. */
  lostImages: readonly string[] = []

  constructor(transaction: string) {
    this.transaction = transaction
  }

  /** True once anything of a document has come. */
  get hasDocument(): boolean {
    return this.isDocumentPresent !== undefined || this.document !== undefined || this.mrz !== undefined
  }

  /** Zone in the chip; undefined without one. */
  get chipMrz(): Mrz | undefined {
    return this.chip?.mrz ?? undefined
  }

  /** Portrait that is printed on the page. */
  get printedFace(): DocumentImage | undefined {
    return this.images.get('face_visible') ?? this.otherSide?.images.get('face_visible')
  }

  /** Portrait of the chip, in a form that a browser can show. */
  get chipFace(): DocumentImage | undefined {
    return this.images.get('chip_face_decoded') ?? this.images.get('chip_face')
  }

  /** Add one event of this transaction. */
  take(event: ReceivedEvent): void {
    this.isSimulated ||= event.isSimulated
    if (event.is('document.placed')) {
      this.isDocumentPresent = true
    } else if (event.is('document.mrz')) {
      this.mrz = event.data.mrz ?? undefined
      this.lines = event.data.lines
      this.#takeChecks(event.data.checks)
    } else if (event.is('document.image')) {
      this.#takeImages(event, event.data.attachments)
    } else if (event.is('document.barcode')) {
      this.barcodes = [...this.barcodes, event.data.barcode]
      this.#takeChecks(event.data.checks)
    } else if (event.is('document.chip_progress')) {
      this.chipProgress = event.data.progress
    } else if (event.is('document.chip')) {
      this.chip = event.data.chip
      this.chipProgress = undefined
      this.#takeImages(event, event.data.attachments)
      this.#takeChecks(event.data.chip.checks)
    } else if (event.is('document.checked')) {
      this.#takeChecks(event.data.checks)
    } else if (event.is('document.read')) {
      this.#takeDocument(event.data)
      this.#takeImages(event, event.data.attachments)
    } else if (event.is('document.removed')) {
      this.isDocumentPresent = false
    } else if (event.is('face.captured')) {
      this.portrait = { captured: event.data, image: [...event.images.values()][0] }
    } else if (event.is('finger.captured')) {
      this.prints = [...this.prints, { captured: event.data, image: event.images.get('png') }]
    } else if (event.is('finger.capture_ended')) {
      this.captureEnded = event.data
    } else if (event.is('barrier.passage')) {
      this.passage = event.data
    }
  }

  /** Take over what the side of the card that was read before has: it is the same person. */
  join(otherSide: Traveller): void {
    this.otherSide = otherSide
    this.portrait ??= otherSide.portrait
    this.prints = [...otherSide.prints, ...this.prints]
    this.mrz ??= otherSide.mrz
    for (const check of otherSide.checks.values()) if (!this.checks.has(check.id)) this.checks.set(check.id, check)
  }

  /** Drop all that is known of the person. */
  wipe(): void {
    this.otherSide?.wipe()
    this.images.clear()
    this.checks.clear()
    this.mrz = this.document = this.chip = this.chipProgress = undefined
    this.portrait = this.captureEnded = this.passage = this.otherSide = undefined
    this.lines = this.barcodes = this.prints = this.lostImages = []
    this.isDocumentPresent = undefined
  }

  #takeDocument(read: DocumentRead): void {
    this.document = read
    this.mrz = read.mrz ?? undefined
    this.lines = read.lines
    this.chip = read.chip ?? this.chip
    this.chipProgress = undefined
    if (read.barcodes.length > 0) this.barcodes = read.barcodes
    this.#takeChecks(read.checks)
    // A swipe leaves no document behind; readers that hold one say when it is gone.
    if (read.trigger === 'swipe' && this.isDocumentPresent === undefined) this.isDocumentPresent = false
  }

  #takeChecks(checks: readonly Check[]): void {
    for (const check of checks) this.checks.set(check.id, check)
  }

  #takeImages(event: ReceivedEvent, attachments: readonly { role: string; media_type: string }[]): void {
    for (const { role, media_type: mediaType } of attachments) {
      const bytes = event.images.get(role)
      if (bytes === undefined) this.lostImages = [...this.lostImages, role]
      else this.images.set(role, { bytes, mediaType })
    }
  }
}
