/**
 * Workstation: typed events of its positions, each once and never stale; and commands to its devices.
 *
 * It connects again by itself. With a `clientId` the broker keeps the session, so that a short outage or a
 * reload of the page loses no event that is still fresh. Commands are never kept.
 */

import { HeldClaim } from './commands/claims.ts'
import { CommandSender, isStopVerb, toResult, type CommandResult } from './commands/commandSender.ts'
import { noToken, unreachable, wrongArguments } from './commands/errors.ts'
import { PreviewStream } from './commands/previews.ts'
import type { Connection } from './connection/connection.ts'
import { ConnectionLoop } from './connection/connectionLoop.ts'
import type { InboundMessage } from './connection/inbound.ts'
import { MessageRouter } from './connection/messageRouter.ts'
import { noGatewayAt, notConnected, NotConnectedError } from './connection/problems.ts'
import { EXPIRY_LIMIT_S } from './contract/constants.ts'
import { SchemaReader, UnreadableError } from './contract/schemaReader.ts'
import { CommandType } from './contract/tables.ts'
import { parsePosition, ROOT, TRAINING_ROOT, type Position } from './contract/topics.ts'
import { Decoder } from './events/decoder.ts'
import { EventAssembler } from './events/eventAssembler.ts'
import { EventQueue } from './events/eventQueue.ts'
import { CONTRACT } from './generated/schemas.ts'
import type { Commands, DeviceDescription, GatewayState, ShowPreviewArgs } from './generated/types.ts'
import { ReceivedEvent, type ConnectionProblem, type DeviceStatus, type DiscardCounts, type LastValue } from './models.ts'
import { readPublicKey, type PublicKey } from './signatures/publicKeys.ts'
import { SignatureVerifier, StatementCheck } from './signatures/verification.ts'
import { Freshness } from './site/freshness.ts'
import { SiteView } from './site/siteView.ts'
import { nowS } from './time/clock.ts'
import { Changes, within, type AsyncEvent } from './time/waiting.ts'
import type { CommandOptions, WorkstationOptions } from './workstationOptions.ts'

/** Time that a stop waits for a gateway that is not known to be alive, in seconds. */
const STOP_WAIT_S = 0.3

/** Consumer of one site's devices, and an iterable over its events. Begins with `start`, ends with `close`. */
export class Workstation {
  /** Numbers of messages that were not delivered, by reason. */
  readonly discarded: DiscardCounts = { duplicates: 0, expired: 0, unreadable: 0, rejected: 0, missing: 0 }
  readonly #site: string
  readonly #root: string
  readonly #positions: readonly Position[] | undefined
  readonly #changes = new Changes()
  readonly #queue: EventQueue
  readonly #decoder: Decoder
  readonly #view: SiteView
  readonly #assembler: EventAssembler
  readonly #commandSender: CommandSender
  readonly #router: MessageRouter
  readonly #connecting: ConnectionLoop
  readonly #heldClaims = new Map<Position, HeldClaim>()
  readonly #previews = new Map<Position, PreviewStream>()

  private constructor(url: string, options: WorkstationOptions, keys: ReadonlyMap<string, readonly PublicKey[]> | undefined) {
    this.#site = options.site
    this.#root = options.training === true ? TRAINING_ROOT : ROOT
    this.#positions = options.positions?.map(parsePosition)
    const reader = new SchemaReader(CONTRACT.definitions)
    const freshness = new Freshness()
    this.#queue = new EventQueue(this.discarded)
    this.#decoder = new Decoder(reader, options.vocabularies ?? [], options.onUndecoded)
    const put = (item: ReceivedEvent | DeviceStatus) => this.#queue.put(item)
    const verifier = keys && new SignatureVerifier(keys, options.site, this.discarded, options.onRejected)
    const prefix = `${this.#root}/${options.site}/`
    const check =
      keys && verifier && new StatementCheck(keys, options.site, prefix, freshness, (one) => verifier.reject(one))
    this.#view = new SiteView(put, this.#decoder, reader, freshness, check)
    this.#assembler = new EventAssembler(put, this.discarded, this.#decoder, verifier)
    const station = options.station ?? options.username
    this.#commandSender = new CommandSender(this.#root, options.site, station, reader, options.signingKey)
    this.#router = new MessageRouter(options.site, {
      view: this.#view,
      assembler: this.#assembler,
      commands: this.#commandSender,
      heldClaims: this.#heldClaims,
      previews: this.#previews,
      discarded: this.discarded,
    })
    this.#connecting = new ConnectionLoop(url, this.#root, this.#positions, station, options, {
      onMessage: (message) => this.#onMessage(message),
      onConnected: () => this.#changes.notify(),
      onDisconnected: () => this.#onDisconnected(),
      hasGateway: () => this.gateways.size > 0,
      onEnded: () => this.#queue.end(),
    })
  }

  /**
   * Start to connect to a broker, such as `wss://broker.example:8884`; does not wait for it.
   *
   * Rejects with UnusableKeyError for a key of `verify`, RangeError for a position or a vocabulary.
   */
  static async start(url: string, options: WorkstationOptions): Promise<Workstation> {
    const workstation = new Workstation(url, options, options.verify && (await publicKeys(options.verify)))
    workstation.#connecting.start()
    return workstation
  }

  /** Disconnect, end all iterations, and drop everything that was received. */
  async close(): Promise<void> {
    this.#assembler.stop()
    this.#view.stop()
    for (const preview of this.#previews.values()) preview.onFrame(new Uint8Array())
    await this.#connecting.close()
    this.#queue.end()
  }

  /** Set while there is a connection to the broker. */
  get connectedEvent(): AsyncEvent {
    return this.#connecting.connectedEvent
  }

  /** Reason why nothing is received from the broker; undefined while there is none. */
  get problem(): ConnectionProblem | undefined {
    return this.#connecting.problem
  }

  /** Iterate over the events. */
  async *[Symbol.asyncIterator](): AsyncGenerator<ReceivedEvent, void, void> {
    for await (const item of this.#queue.items()) if (item instanceof ReceivedEvent) yield item
  }

  /**
   * Iterate over events and changes of device status, in the order of their arrival.
   *
   * Last values (`now`) are not among them: each is an event as well.
   */
  eventsAndStatus(): AsyncGenerator<ReceivedEvent | DeviceStatus, void, void> {
    return this.#queue.items()
  }

  /** Drop all events that wait for the caller, and images that wait for their event: for the end of a traveller. */
  dropQueued(): void {
    this.#queue.clear()
    this.#assembler.stop()
  }

  /** Return the status of the device at a position. */
  status(position: string): DeviceStatus {
    return this.#view.state.status(parsePosition(position))
  }

  /**
   * Return the last value of an event type, such as `barrier.state`; undefined when none is certain.
   *
   * Values of a gateway session that is over are outdated, and are not returned; with `verify`, neither are
   * those that may not be the newest.
   */
  lastValue(position: string, eventType: string): LastValue | undefined {
    return this.#view.state.lastValue(parsePosition(position), eventType)
  }

  /** Positions of all known devices. */
  get devices(): readonly Position[] {
    return this.#view.state.devices
  }

  /** State of every known gateway of the site, by its name. */
  get gateways(): ReadonlyMap<string, GatewayState> {
    return this.#view.state.gateways
  }

  /** Name under which it sends commands. */
  get station(): string | undefined {
    return this.#commandSender.station
  }

  /**
   * Send a command to a device, and wait for its end.
   *
   * `verb`: or the type of the command, of `COMMANDS`. Rejects with CommandNotSent, CommandRejected,
   * CommandFailed, CommandUnanswered.
   */
  async command<N extends keyof Commands>(
    position: string,
    verb: CommandType<N>,
    args?: Commands[N]['args'],
    options?: CommandOptions,
  ): Promise<CommandResult<Commands[N]['result']>>
  async command(
    position: string,
    verb: string,
    args?: Readonly<Record<string, unknown>>,
    options?: CommandOptions,
  ): Promise<CommandResult>
  async command(
    position: string,
    wanted: string | CommandType,
    args: object = {},
    { expiresS = 3, timeoutS = 10, transaction }: CommandOptions = {},
  ): Promise<CommandResult> {
    const where = this.#ownPosition(position)
    if (!(expiresS >= 1 && expiresS <= EXPIRY_LIMIT_S)) {
      throw new RangeError(`a command expires within 1 to ${EXPIRY_LIMIT_S} s`)
    }
    const verb = wanted instanceof CommandType ? wanted.verb : wanted
    const beganS = nowS()
    const leftS = () => expiresS - (nowS() - beganS)
    const { session, description } = await this.#waitForSession(where, verb, Math.min(expiresS, timeoutS))
    const isStop = isStopVerb(description, verb)
    const expected = this.#decoder.expectedArguments(description, wanted)
    if (expected !== undefined && !isStop) throw wrongArguments(where, verb, expected)
    const ask = async () => {
      const fresh = this.#commandSender.isSigning
        ? await this.#waitForToken(session, isStop ? 0 : Math.min(leftS(), timeoutS))
        : undefined
      const life = Math.max(1, Math.round(leftS()))
      const outgoing = { position: where, verb, args: { ...args }, session, transaction, fresh, expiresS: life, timeoutS }
      return await this.#commandSender.send(outgoing, (...message) => this.#connection().send(...message))
    }
    let answer = await ask()
    // Another program of this station was ahead; the answer has its last number.
    if (answer.reason === 'command_seq_not_increasing' && leftS() > 0) answer = await ask()
    return toResult(answer, (said) => this.#decoder.result(description, verb, said), this.#view.isVerified)
  }

  /**
   * Claim a device for this station; it is renewed automatically until `end`.
   *
   * `steal`: the reason for taking over another station's claim, which is recorded. Rejects with CommandError.
   */
  async claim(position: string, { leaseS = 30, steal }: { leaseS?: number; steal?: string } = {}): Promise<HeldClaim> {
    const where = this.#ownPosition(position)
    const held = new HeldClaim(this, where, leaseS, steal)
    this.#heldClaims.set(where, held)
    return await held.start()
  }

  /** Show pictures of a claimed camera, renewed automatically until `end`. Rejects with CommandError. */
  async preview(position: string, options: ShowPreviewArgs = {}): Promise<PreviewStream> {
    const where = this.#ownPosition(position)
    const preview = new PreviewStream(this, where, options)
    this.#previews.set(where, preview)
    return await preview.start()
  }

  #ownPosition(position: string): Position {
    const where = parsePosition(position)
    if (this.#positions !== undefined && !this.#positions.includes(where)) {
      throw new RangeError(`${where} is not a position of this workstation: no answer would reach it`)
    }
    return where
  }

  #connection(): Connection {
    const connection = this.#connecting.connection
    if (connection === undefined) throw new NotConnectedError('not connected')
    return connection
  }

  /** Return the newest token of a session; `withinS`: 0 for a stop, which is sent at once, also without one. */
  async #waitForToken(session: string, withinS: number): Promise<string | undefined> {
    const token = await this.#waitFor(() => this.#view.token(session), withinS)
    if (token === undefined && withinS > 0) throw noToken()
    return token
  }

  /**
   * Return the gateway session of a device, and its description; rejects with CommandNotSent.
   *
   * A stop needs no proof that the gateway is alive: it is sent to the session that was seen last.
   */
  async #waitForSession(
    position: Position,
    verb: string,
    withinS: number,
  ): Promise<{ session: string; description: DeviceDescription }> {
    const seen = this.status(position)
    const isStop = seen.description !== undefined && isStopVerb(seen.description, verb)
    const found = await this.#waitFor(
      () => {
        const { gatewayOnline, state, description } = this.status(position)
        const isReady = gatewayOnline && this.#connecting.connection !== undefined
        return isReady && state && description ? { session: state.session, description } : undefined
      },
      isStop ? Math.min(withinS, STOP_WAIT_S) : withinS,
    )
    if (found !== undefined) return found
    const isConnected = this.#connecting.connection !== undefined
    if (isStop && isConnected && seen.state && seen.description) {
      return { session: seen.state.session, description: seen.description }
    }
    const isKnown = this.#view.state.hasState(position)
    const { address } = this.#connecting
    let problem: ConnectionProblem | undefined
    if (!isConnected) problem = this.problem ?? notConnected(address, undefined)
    else if (!isKnown && this.gateways.size === 0) problem = noGatewayAt(address, this.#site, this.#root)
    throw unreachable(position, problem, isConnected, isKnown)
  }

  /** Wait for what a function returns; undefined if it returns nothing in time. */
  async #waitFor<T>(look: () => T | undefined, withinS: number): Promise<T | undefined> {
    const endsS = nowS() + withinS
    for (;;) {
      const changed = this.#changes.next()
      const found = look()
      const leftS = endsS - nowS()
      if (found !== undefined || leftS <= 0) return found
      await within(changed, leftS).catch(() => {})
    }
  }

  /** Take one message; a message with an error is counted and dropped. */
  async #onMessage(message: InboundMessage): Promise<void> {
    try {
      if (await this.#router.onMessage(message)) this.#connecting.onGatewaySeen()
    } catch (error) {
      if (!isUnreadable(error)) throw error
      this.discarded.unreadable += 1
    } finally {
      this.#changes.notify()
    }
  }

  #onDisconnected(): void {
    this.#view.onDisconnected()
    for (const preview of this.#previews.values()) preview.onFrame(new Uint8Array())
    this.#changes.notify()
  }
}

/** Tell whether an error says that a message has another form: of its schema, of JSON, or of UTF-8. */
function isUnreadable(error: unknown): boolean {
  return error instanceof UnreadableError || error instanceof SyntaxError || error instanceof TypeError
}

async function publicKeys(
  verify: Readonly<Record<string, readonly string[]>>,
): Promise<ReadonlyMap<string, readonly PublicKey[]>> {
  const read = Object.entries(verify).map(
    async ([gateway, texts]) => [gateway, await Promise.all(texts.map(readPublicKey))] as const,
  )
  return new Map(await Promise.all(read))
}
