/** Settings of the page: `counter.json` beside it, made by the gateway from `[counter]`, or by hand. */

/** Settings of a post's counters. None of them is secret. */
export interface CounterSettings {
  /** Site, such as `ke-busia`. */
  readonly site: string
  /** Address of the broker's WebSocket listener, such as `wss://broker.busia.example:8884`. */
  readonly broker: string
  /** Devices of each lane, by its name. */
  readonly lanes: Readonly<Record<string, readonly string[]>>
  /** True for a training post. */
  readonly training: boolean
  /** False where the broker knows no passwords, as in a demonstration: then none is asked for. */
  readonly passwords: boolean
  /** True: commands are signed with a key that this browser keeps. */
  readonly sign: boolean
  /** Public keys of each gateway, by its site and name; empty: signatures are not checked. */
  readonly verify: Readonly<Record<string, readonly string[]>>
  /** Times of the screen, in seconds: see `DeadlineOptions`. */
  readonly wipe_after_s: number
  readonly lock_after_s: number
}

/** The settings cannot be used. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError'
}

const FILE = 'counter.json'

/** Read the settings; rejects with SettingsError. */
export async function loadSettings(): Promise<CounterSettings> {
  let read: unknown
  try {
    const response = await fetch(FILE, { cache: 'no-store' })
    if (!response.ok) throw new SettingsError(`${FILE}: HTTP ${response.status}`)
    read = await response.json()
  } catch (error) {
    throw error instanceof SettingsError ? error : new SettingsError(`${FILE} cannot be read`)
  }
  return parseSettings(read)
}

/** Check settings; throws SettingsError with the key that is wrong. */
export function parseSettings(read: unknown): CounterSettings {
  if (typeof read !== 'object' || read === null) throw new SettingsError(`${FILE} is no object`)
  const given = read as Readonly<Record<string, unknown>>
  const take = <T>(key: string, isValid: (value: unknown) => boolean, otherwise?: T): T => {
    const value = given[key] ?? otherwise
    if (!isValid(value)) throw new SettingsError(`${FILE}: ${key} is missing or wrong`)
    return value as T
  }
  return {
    site: take('site', isText),
    broker: take('broker', (value) => isText(value) && /^wss?:\/\//.test(value as string)),
    lanes: take('lanes', (value) => isListing(value) && Object.keys(value as object).length > 0),
    training: take('training', isFlag, false),
    passwords: take('passwords', isFlag, true),
    sign: take('sign', isFlag, true),
    verify: take('verify', isListing, {}),
    wipe_after_s: take('wipe_after_s', isTime, 60),
    lock_after_s: take('lock_after_s', isTime, 300),
  }
}

const isText = (value: unknown): boolean => typeof value === 'string' && value !== ''
const isFlag = (value: unknown): boolean => typeof value === 'boolean'
const isTime = (value: unknown): boolean => typeof value === 'number' && value >= 0

/** Tell whether a value lists texts by name. */
function isListing(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return Object.values(value).every((each) => Array.isArray(each) && each.every(isText))
}
