/** Driver of workstations for tests in another language: requests and answers are JSON. */

import {
  CommandError,
  StationKey,
  Workstation,
  type DeviceStatus,
  type HeldClaim,
  type PreviewStream,
  type ReceivedEvent,
  type RejectedMessage,
  type WorkstationOptions,
} from '../src/index.ts'
import { toBase64Url } from '../src/contract/bytes.ts'

/** Greatest number of events in one answer. */
const BATCH = 200

/** What is asked: a word, and what it needs. */
export interface Request {
  readonly do: string
  readonly [name: string]: unknown
}

/** Options of a workstation as JSON has them. */
interface OpenRequest extends Request {
  readonly url: string
  readonly options: WorkstationOptions
  /** Private key of the station, PEM. */
  readonly signingPem?: string
  /** Name of the key that the browser keeps, which is made where there is none. */
  readonly signingName?: string
}

/** An item, and when the workstation handed it on: a test may take it later. */
interface Handed {
  readonly value: ReceivedEvent | DeviceStatus | undefined
  readonly atS: number
}

/** One workstation. */
export class DeskDriver {
  #desk: Workstation | undefined
  #items: AsyncGenerator<ReceivedEvent | DeviceStatus, void, void> | undefined
  /** Answer of the iteration that nothing has taken yet. */
  #pending: Promise<Handed> | undefined
  #claim: HeldClaim | undefined
  #preview: PreviewStream | undefined
  #pictures: AsyncGenerator<Uint8Array, void, void> | undefined
  readonly #rejected: RejectedMessage[] = []
  readonly #undecoded: string[] = []

  /** Do what a request asks; rejects with the client's errors. */
  async do(request: Request): Promise<unknown> {
    switch (request.do) {
      case 'open':
        return await this.#open(request as OpenRequest)
      case 'enrolment':
        return await (await StationKey.kept(request['name'] as string)).enrolment()
      case 'steal_key':
        return await stealKey(request['name'] as string)
      case 'connected':
        return await this.#workstation.connectedEvent.wait()
      case 'next_event':
        return await this.#next((item) => 'envelope' in item)
      case 'next_events':
        return await this.#nextEvents()
      case 'next_status':
        return await this.#next((item) => !('envelope' in item) && item.state !== undefined)
      case 'next_item':
        return await this.#next(() => true)
      case 'view':
        return this.#view(request['position'] as string, request['value'] as string | undefined)
      case 'command':
        return await this.#command(request)
      case 'claim':
        this.#claim = await this.#workstation.claim(request['position'] as string, request['options'] as object)
        return { leaseS: this.#claim.leaseS }
      case 'end_claim':
        return await this.#claim?.end()
      case 'claim_lost':
        return await this.#claim?.lostEvent.wait()
      case 'preview':
        this.#preview = await this.#workstation.preview(request['position'] as string, request['options'] as object)
        this.#pictures = this.#preview[Symbol.asyncIterator]()
        return null
      case 'next_picture':
        return picture(await this.#pictures?.next())
      case 'end_preview':
        return await this.#preview?.end()
      case 'close':
        return await this.#desk?.close()
      default:
        throw new RangeError(`there is no request ${request.do}`)
    }
  }

  get #workstation(): Workstation {
    if (this.#desk === undefined) throw new RangeError('no workstation is open')
    return this.#desk
  }

  async #open({ url, options, signingPem, signingName }: OpenRequest): Promise<void> {
    let signingKey: StationKey | undefined
    if (signingPem !== undefined) signingKey = await StationKey.fromPem(signingPem)
    if (signingName !== undefined) signingKey = await StationKey.kept(signingName)
    this.#desk = await Workstation.start(url, {
      ...options,
      ...(signingKey === undefined ? {} : { signingKey }),
      onRejected: (message) => this.#rejected.push(message),
      onUndecoded: (text) => this.#undecoded.push(text),
      onProblem: () => {},
    })
    this.#items = this.#desk.eventsAndStatus()
  }

  /** Return the next item of a kind; null at the end. */
  async #next(isWanted: (item: ReceivedEvent | DeviceStatus) => boolean): Promise<unknown> {
    for (;;) {
      const coming = this.#coming()
      const item = await coming
      this.#markTaken(coming)
      if (item.value === undefined) return null
      if (isWanted(item.value)) return 'envelope' in item.value ? event(item.value, item.atS) : status(item.value)
    }
  }

  /** Return all events that have come, at least one; an empty array at the end. */
  async #nextEvents(): Promise<unknown[]> {
    const taken: unknown[] = []
    while (taken.length < BATCH) {
      const coming = this.#coming()
      const item = await (taken.length === 0 ? coming : Promise.race([coming, nothingYet()]))
      if (item === undefined) break
      this.#markTaken(coming)
      if (item.value === undefined) break
      if ('envelope' in item.value) taken.push(event(item.value, item.atS))
    }
    return taken
  }

  #coming(): Promise<Handed> {
    this.#pending ??= this.#iteration.next().then(({ value }) => ({ value: value ?? undefined, atS: Date.now() / 1000 }))
    return this.#pending
  }

  #markTaken(coming: Promise<Handed>): void {
    if (this.#pending === coming) this.#pending = undefined
  }

  get #iteration(): AsyncGenerator<ReceivedEvent | DeviceStatus, void, void> {
    if (this.#items === undefined) throw new RangeError('no workstation is open')
    return this.#items
  }

  /** Return what the workstation shows now. */
  #view(position: string, value: string | undefined): unknown {
    const desk = this.#workstation
    const last = value === undefined ? undefined : desk.lastValue(position, value)
    return {
      connected: desk.connectedEvent.isSet,
      status: status(desk.status(position)),
      last: last === undefined ? null : { data: last.data, verified: last.isVerified },
      devices: desk.devices,
      gateways: Object.fromEntries([...desk.gateways].map(([name, state]) => [name, state.online])),
      discarded: desk.discarded,
      problem: desk.problem ?? null,
      rejected: this.#rejected,
      undecoded: this.#undecoded,
    }
  }

  async #command(request: Request): Promise<unknown> {
    const { position, verb, args, options } = request as unknown as {
      position: string
      verb: string
      args?: Record<string, unknown>
      options?: object
    }
    return await this.#workstation.command(position, verb, args ?? {}, options)
  }
}

/** Return undefined, after everything that has arrived was handed on. */
function nothingYet(): Promise<undefined> {
  return new Promise((resolve) => setTimeout(resolve, 0))
}

/** Read the private half of a kept key out of the browser's store: what a foreign script would try. */
async function stealKey(name: string): Promise<unknown> {
  const opened = await new Promise<IDBDatabase>((resolve) => {
    const opening = indexedDB.open('borderpost-station-keys')
    opening.onsuccess = () => resolve(opening.result)
  })
  const pair = await new Promise<CryptoKeyPair>((resolve) => {
    const asking = opened.transaction('keys').objectStore('keys').get(name)
    asking.onsuccess = () => resolve(asking.result as CryptoKeyPair)
  })
  return await crypto.subtle.exportKey('pkcs8', pair.privateKey)
}

/** Return an error as JSON: of the client with reason and remedy, of anything else by its text. */
export function errorAsJson(error: unknown): unknown {
  if (error instanceof CommandError) {
    const { name, cmdId, reason, text, how } = error
    return { name, cmdId, reason, text, how }
  }
  return error instanceof Error ? { name: error.name, text: error.message, stack: error.stack } : { text: String(error) }
}

function event(received: ReceivedEvent, atS: number): unknown {
  const known = ['document.read', 'document.read_failed', 'document.mrz'] as const
  return {
    position: received.position,
    envelope: received.envelope,
    data: received.data,
    decoded: known.find((type) => received.is(type)) ?? null,
    images: Object.fromEntries([...received.images].map(([role, content]) => [role, toBase64Url(content)])),
    simulated: received.isSimulated,
    at: atS,
  }
}

function status(shown: DeviceStatus): unknown {
  return {
    state: shown.state?.state ?? null,
    session: shown.state?.session ?? null,
    description: shown.description ?? null,
    gatewayOnline: shown.gatewayOnline,
    usable: shown.isUsable,
    holder: shown.claim?.holder ?? null,
    verified: shown.isVerified,
    age: shown.ageS ?? null,
  }
}

function picture(taken: IteratorResult<Uint8Array, void> | undefined): string | null {
  return taken?.value === undefined ? null : toBase64Url(taken.value)
}
