/** Small parts for building pages of elements, never of text that is parsed. */

import type { Lane } from '../lane/lane.ts'

/** One part of the screen. It is built once for a language, and shown again after each change. */
export interface View {
  readonly root: HTMLElement
  /** Show the present state. */
  show(lane: Lane): void
  /** Drop everything of a traveller, at once. */
  wipe(): void
}

/** Make an element with attributes and children. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string>> = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value)
  made.append(...children)
  return made
}

/** Set a text, unless it is there already: a screen reader would read it again. */
export function setText(node: Node, text: string): void {
  if (node.textContent !== text) node.textContent = text
}

/** Show or hide an element. */
export function setShown(element: HTMLElement, isShown: boolean): void {
  if (element.hidden === isShown) element.hidden = !isShown
}

/** Set or remove an attribute. */
export function setAttribute(element: HTMLElement, name: string, value: string | undefined): void {
  if (value === undefined) element.removeAttribute(name)
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value)
}

/** Make a button; `keys`: its keyboard shortcut, as people read it and as `aria-keyshortcuts` names it. */
export function makeButton(label: string, press: () => unknown, keys?: string): HTMLButtonElement {
  const button = make('button', { type: 'button' }, make('span', { class: 'label' }, label))
  if (keys !== undefined) {
    button.setAttribute('aria-keyshortcuts', keys)
    button.append(make('kbd', { 'aria-hidden': 'true' }, keys))
  }
  button.addEventListener('click', () => void press())
  return button
}

/** Children of an element that are made again only when what they show has changed. */
export class Children {
  readonly #parent: HTMLElement
  #shown = ''

  constructor(parent: HTMLElement) {
    this.#parent = parent
  }

  /** Show children; `what` is everything that they depend on. */
  show(what: unknown, build: () => readonly (Node | string)[]): void {
    const shown = JSON.stringify(what)
    if (shown === this.#shown) return
    this.#shown = shown
    this.#parent.replaceChildren(...build())
  }

  /** Remove all. */
  wipe(): void {
    this.#shown = ''
    this.#parent.replaceChildren()
  }
}
