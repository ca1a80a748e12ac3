/** Pictures on the screen: each by an object URL that is revoked when it is replaced or wiped. */

import { make, setAttribute, setShown, setText } from './dom.ts'

const SHOWABLE = new Set(['image/jpeg', 'image/png', 'image/webp', 'image/gif', 'image/bmp'])

/** A picture and its media type. */
export interface Picture {
  readonly bytes: Uint8Array
  readonly mediaType: string
}

/** Tell whether a browser can show a picture. */
export function isShowable(picture: Picture): boolean {
  return SHOWABLE.has(picture.mediaType)
}

/** An image element that shows bytes. */
export class Image {
  readonly element: HTMLImageElement
  #bytes: Uint8Array | undefined
  #url: string | undefined

  constructor(alt: string) {
    this.element = make('img', { alt, draggable: 'false' })
    this.element.hidden = true
  }

  /** Show a picture; undefined removes it. */
  show(picture: Picture | undefined): void {
    if (picture?.bytes === this.#bytes) return
    const before = this.#url
    this.#bytes = picture?.bytes
    this.#url =
      picture && URL.createObjectURL(new Blob([picture.bytes as Uint8Array<ArrayBuffer>], { type: picture.mediaType }))
    if (this.#url === undefined) this.element.removeAttribute('src')
    else this.element.src = this.#url
    setShown(this.element, this.#url !== undefined)
    if (before !== undefined) URL.revokeObjectURL(before)
  }

  /** Remove the picture and its bytes. */
  wipe(): void {
    this.show(undefined)
  }
}

/** A figure with a caption, and a sentence where there is no picture. */
export class Figure {
  readonly root: HTMLElement
  readonly #image: Image
  readonly #empty: HTMLElement
  readonly #cannotShow: string

  constructor(caption: string, cannotShow: string, kind: string) {
    this.#image = new Image(caption)
    this.#empty = make('p', { class: 'empty' })
    this.#cannotShow = cannotShow
    const frame = make('div', { class: 'frame' }, this.#image.element, this.#empty)
    this.root = make('figure', { class: kind }, frame, make('figcaption', {}, caption))
  }

  /** Show a picture, or say why there is none. */
  show(picture: Picture | undefined, whyNone: string): void {
    const isShown = picture !== undefined && isShowable(picture)
    this.#image.show(isShown ? picture : undefined)
    setText(this.#empty, isShown ? '' : picture === undefined ? whyNone : this.#cannotShow)
    setShown(this.#empty, !isShown)
  }

  /** Mark the picture as outdated. */
  setStale(isStale: boolean): void {
    setAttribute(this.root, 'data-stale', isStale ? '' : undefined)
  }

  /** Remove the picture and its bytes. */
  wipe(): void {
    this.#image.wipe()
    setText(this.#empty, '')
  }
}
