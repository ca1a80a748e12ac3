/** Choices that this browser keeps: lane, name of the counter, language. Nothing of a traveller, no password. */

const KEY = 'borderpost-counter'

/** Choices of a counter. */
export interface Remembered {
  readonly lane?: string
  readonly name?: string
  readonly language?: string
}

/** Return the kept choices, and those of the page's address before them. */
export function remembered(): Remembered {
  const asked = Object.fromEntries(new URLSearchParams(location.search))
  try {
    return { ...(JSON.parse(localStorage.getItem(KEY) ?? '{}') as Remembered), ...asked }
  } catch {
    return asked // a browser without storage, or a changed entry
  }
}

/** Keep choices. */
export function remember(changed: Remembered): void {
  try {
    const { lane, name, language } = { ...remembered(), ...changed }
    localStorage.setItem(KEY, JSON.stringify({ lane, name, language }))
  } catch {
    // Without storage they are asked for again.
  }
}
