/** The page under each light: side by side, blinking, or under a slider; one zoom for all. */

import type { IlluminationType } from 'borderpost-client'

import type { Lane } from '../lane/lane.ts'
import type { DocumentImage, Traveller } from '../lane/traveller.ts'
import { filled, wordFor, type Words } from '../words/words.ts'
import { make, makeButton, setAttribute, setShown, setText, type View } from './dom.ts'
import { Figure } from './images.ts'
import { clampPan, MAX_ZOOM, zoomed, type Zoom } from './zoom.ts'

type Mode = 'side' | 'blink' | 'slider'

const LIGHTS: readonly IlluminationType[] = ['visible', 'infrared', 'ultraviolet', 'axial']
const BLINK_MS = 700
const STEP = 1.25
/** Part of the frame by which an arrow key moves the page. */
const PAN_STEP = 0.1

interface Side {
  readonly role: string
  readonly label: string
  readonly image: DocumentImage
}

/** View of the lights. */
export class LightsView implements View {
  readonly root: HTMLElement
  readonly #words: Words
  readonly #frames = make('div', { class: 'lights', tabindex: '0', role: 'group' })
  readonly #empty: HTMLElement
  readonly #level = make('output', { class: 'zoom-level' })
  readonly #slider: HTMLInputElement
  readonly #controls: HTMLElement
  readonly #modes: HTMLElement
  #figures: Figure[] = []
  #roles = ''
  #mode: Mode = 'side'
  #zoom: Zoom = { scale: 1, x: 0, y: 0 }
  #blinking: ReturnType<typeof setInterval> | undefined
  #top = 0

  constructor(words: Words) {
    this.#words = words
    setAttribute(this.#frames, 'aria-label', words.pages)
    this.#empty = make('p', { class: 'quiet' }, words.noPage)
    const modes = (['side', 'blink', 'slider'] as const).map((mode) => this.#modeChoice(mode))
    this.#modes = make('fieldset', { class: 'modes' }, make('legend', {}, words.mode), ...modes)
    this.#slider = make('input', { type: 'range', min: '0', max: '100', value: '50', 'aria-label': words.modes.slider })
    this.#slider.addEventListener('input', () => this.#layOut())
    this.#controls = make(
      'div',
      { class: 'controls' },
      this.#modes,
      makeButton(words.zoomOut, () => this.#zoomBy(1 / STEP), '-'),
      makeButton(words.zoomIn, () => this.#zoomBy(STEP), '+'),
      makeButton(words.zoomReset, () => this.#setZoom({ scale: 1, x: 0, y: 0 }), '0'),
      this.#level,
      this.#slider,
    )
    this.root = make('div', { class: 'lights-view' }, this.#controls, this.#empty, this.#frames)
    this.#frames.addEventListener('wheel', (event) => this.#onWheel(event), { passive: false })
    this.#frames.addEventListener('pointermove', (event) => this.#onPointerMove(event))
  }

  /** Begin to blink, if that is chosen. */
  start(): void {
    this.#setMode(this.#mode)
  }

  /** End what moves by itself. */
  stop(): void {
    clearInterval(this.#blinking)
    this.#blinking = undefined
  }

  /** Take a key: zoom, move, or change the light on top. */
  onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.altKey || event.metaKey || isTyping(event)) return
    const act = this.#keys()[event.key]
    if (act === undefined) return
    event.preventDefault()
    act()
  }

  show(lane: Lane): void {
    const sides = lane.traveller === undefined ? [] : sidesOf(lane.traveller, this.#words)
    const roles = JSON.stringify(sides.map(({ role }) => role))
    if (roles !== this.#roles) this.#build(sides, roles)
    sides.forEach((side, index) => this.#figures[index]?.show(side.image, ''))
    setShown(this.#empty, sides.length === 0)
    setShown(this.#controls, sides.length > 0)
    setAttribute(this.root, 'data-stale', lane.isStale ? '' : undefined)
    setText(this.#level, filled(this.#words.zoomLevel, { percent: Math.round(this.#zoom.scale * 100) }))
  }

  wipe(): void {
    this.stop()
    for (const figure of this.#figures) figure.wipe()
    this.#figures = []
    this.#roles = ''
    this.#frames.replaceChildren()
    this.#zoom = { scale: 1, x: 0, y: 0 }
    this.#top = 0
  }

  #build(sides: readonly Side[], roles: string): void {
    for (const figure of this.#figures) figure.wipe()
    this.#roles = roles
    this.#figures = sides.map(({ label }) => new Figure(label, this.#words.cannotShow, 'page'))
    this.#frames.replaceChildren(...this.#figures.map((figure) => figure.root))
    this.#layOut()
  }

  #modeChoice(mode: Mode): HTMLElement {
    const choice = make('input', { type: 'radio', name: 'mode', value: mode, id: `mode-${mode}` })
    choice.checked = mode === this.#mode
    choice.addEventListener('change', () => this.#setMode(mode))
    return make('span', {}, choice, make('label', { for: `mode-${mode}` }, this.#words.modes[mode]))
  }

  #setMode(mode: Mode): void {
    this.stop()
    this.#mode = mode
    if (mode === 'blink') this.#blinking = setInterval(() => this.#turn(), BLINK_MS)
    this.#layOut()
  }

  /** Put the next light on top. */
  #turn(): void {
    this.#top = this.#figures.length === 0 ? 0 : (this.#top + 1) % this.#figures.length
    this.#layOut()
  }

  #layOut(): void {
    setAttribute(this.#frames, 'data-mode', this.#mode)
    setShown(this.#slider, this.#mode === 'slider')
    const share = Number(this.#slider.value)
    this.#figures.forEach(({ root }, index) => {
      const next = (this.#top + 1) % Math.max(1, this.#figures.length)
      const isShown = this.#mode === 'side' || index === this.#top || (this.#mode === 'slider' && index === next)
      setShown(root, isShown)
      const isOver = this.#mode === 'slider' && index === this.#top
      setAttribute(root, 'data-over', isOver ? '' : undefined)
      root.style.clipPath = isOver && this.#figures.length > 1 ? `inset(0 ${100 - share}% 0 0)` : ''
    })
    this.#applyZoom()
  }

  #keys(): Readonly<Record<string, () => void>> {
    const pan = (x: number, y: number) => () => this.#panBy(x, y)
    return {
      '+': () => this.#zoomBy(STEP),
      '=': () => this.#zoomBy(STEP),
      '-': () => this.#zoomBy(1 / STEP),
      '0': () => this.#setZoom({ scale: 1, x: 0, y: 0 }),
      ' ': () => this.#turn(),
      ArrowLeft: pan(PAN_STEP, 0),
      ArrowRight: pan(-PAN_STEP, 0),
      ArrowUp: pan(0, PAN_STEP),
      ArrowDown: pan(0, -PAN_STEP),
    }
  }

  #zoomBy(factor: number, atX = 0.5, atY = 0.5): void {
    this.#setZoom(zoomed(this.#zoom, factor, atX, atY))
  }

  #panBy(x: number, y: number): void {
    this.#setZoom(clampPan({ ...this.#zoom, x: this.#zoom.x + x, y: this.#zoom.y + y }))
  }

  #setZoom(zoom: Zoom): void {
    this.#zoom = zoom
    this.#applyZoom()
  }

  #applyZoom(): void {
    const { scale, x, y } = this.#zoom
    for (const { root } of this.#figures) {
      const image = root.querySelector('img')
      if (image !== null) image.style.transform = `translate(${x * 100}%, ${y * 100}%) scale(${scale})`
    }
    setText(this.#level, filled(this.#words.zoomLevel, { percent: Math.round(scale * 100) }))
    setAttribute(this.#frames, 'data-zoomed', scale > 1 ? (scale >= MAX_ZOOM ? 'full' : '') : undefined)
  }

  #onWheel(event: WheelEvent): void {
    const frame = (event.target as Element).closest('.frame')
    if (frame === null) return
    event.preventDefault()
    const box = frame.getBoundingClientRect()
    const factor = event.deltaY < 0 ? STEP : 1 / STEP
    this.#zoomBy(factor, (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height)
  }

  #onPointerMove(event: PointerEvent): void {
    const frame = (event.target as Element).closest('.frame')
    if (frame === null || (event.buttons & 1) === 0) return
    const box = frame.getBoundingClientRect()
    this.#panBy(event.movementX / box.width, event.movementY / box.height)
  }
}

/** Return the pages of a traveller's document by light; the other side of a card follows. */
function sidesOf(traveller: Traveller, words: Words): Side[] {
  const own = LIGHTS.flatMap((light) => {
    const image = traveller.image(`page_${light}`)
    return image === undefined ? [] : [{ role: `page_${light}`, label: wordFor(words.lights, light), image }]
  })
  const { otherSide } = traveller
  if (otherSide === undefined) return own
  const others = sidesOf(otherSide, words).map(({ role, label, image }) => ({
    role: `other_${role}`,
    label: `${label}, ${words.otherSide}`,
    image,
  }))
  return [...own, ...others]
}

/** Tell whether a key belongs to a control that has the focus. */
function isTyping(event: KeyboardEvent): boolean {
  const target = event.composedPath()[0]
  if (target instanceof HTMLButtonElement) return event.key === ' '
  return target instanceof HTMLInputElement && event.key !== '+' && event.key !== '-' && event.key !== '0'
}
