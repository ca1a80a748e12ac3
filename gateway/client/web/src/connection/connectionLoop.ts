/** Connections of a workstation, one after the other: attempts, waits between them, and what is wrong. */

import type { Position } from '../contract/topics.ts'
import { ROOT, TRAINING_ROOT } from '../contract/topics.ts'
import type { ConnectionProblem } from '../models.ts'
import { AsyncEvent, Sleep } from '../time/waiting.ts'
import type { WorkstationOptions } from '../workstationOptions.ts'
import { Backoff } from './backoff.ts'
import { chooseCertificate, isOfferingCertificate } from './browserCertificate.ts'
import { Connection, type ConnectionOptions } from './connection.ts'
import type { InboundMessage } from './inbound.ts'
import { noGatewayAt, notConnected, takenOver, type ConnectionError } from './problems.ts'
import { subscriptions } from './subscriptions.ts'

/** Time for the retained state of a gateway to arrive after the connection, in seconds. */
const GATEWAY_S = 3
/** Reason code of a broker to which another client has connected under the same id (MQTT 5, section 3.14). */
const SESSION_TAKEN_OVER = 0x8e
const RANDOM_ID_BYTES = 12

/** What a workstation does at changes of its connection. */
export interface ConnectionListener {
  onMessage(message: InboundMessage): Promise<void>
  onConnected(): void
  onDisconnected(): void
  hasGateway(): boolean
  /** Called when no further connection is attempted. */
  onEnded(): void
}

/** Connections until `close`, or until another client takes the session. */
export class ConnectionLoop {
  /** Address of the broker, as `host:port`. */
  readonly address: string
  readonly connectedEvent = new AsyncEvent()
  readonly #options: ConnectionOptions
  readonly #site: string
  readonly #root: string
  readonly #topics: (readonly [string, 0 | 1])[]
  readonly #listener: ConnectionListener
  readonly #onProblem: (problem: ConnectionProblem) => void
  readonly #backoff = new Backoff(0.5, 5)
  #problem: ConnectionProblem | undefined
  #connection: Connection | undefined
  #gatewayTimer: ReturnType<typeof setTimeout> | undefined
  #sleep: Sleep | undefined
  #isClosing = false
  #running: Promise<void> = Promise.resolve()

  constructor(
    url: string,
    root: string,
    positions: readonly Position[] | undefined,
    station: string | undefined,
    options: WorkstationOptions,
    listener: ConnectionListener,
  ) {
    const { hostname, port, protocol } = new URL(url)
    this.address = `${hostname}:${port || (protocol === 'wss:' ? 443 : 80)}`
    this.#options = {
      url,
      clientId: options.clientId ?? randomId(),
      username: options.username,
      password: options.password,
      tls: options.tls,
      sessionS: options.clientId === undefined ? 0 : (options.sessionS ?? 300),
    }
    this.#site = options.site
    this.#root = options.training === true ? TRAINING_ROOT : ROOT
    this.#topics = subscriptions(root, options.site, positions, station)
    this.#listener = listener
    this.#onProblem = options.onProblem ?? (({ text, how }) => console.warn(`${text} ${how}`))
  }

  /** The current connection, once it is subscribed. */
  get connection(): Connection | undefined {
    return this.#connection
  }

  /** Reason why nothing is received; undefined while there is none. */
  get problem(): ConnectionProblem | undefined {
    return this.#problem
  }

  /** Begin to connect. */
  start(): void {
    this.#running = this.#run()
  }

  /** End the connection, and all attempts. */
  async close(): Promise<void> {
    this.#isClosing = true
    this.#sleep?.end()
    await this.#connection?.close()
    await this.#running
  }

  /** Take a sign of a gateway of the site: the connection has no problem. */
  onGatewaySeen(): void {
    this.#report(undefined)
  }

  async #run(): Promise<void> {
    while (!this.#isClosing) {
      const failure = await this.#connectOnce()
      if (failure.code === SESSION_TAKEN_OVER) {
        this.#report(takenOver(this.address, this.#options.clientId))
        this.#listener.onEnded()
        return
      }
      if (this.#isClosing) return
      this.#report(notConnected(this.address, failure))
      this.#sleep = new Sleep(isOfferingCertificate(this.#options.url) ? 0.25 : this.#backoff.nextS())
      await this.#sleep.done
    }
  }

  /** Connect, and wait for the end of the connection; returns its reason. */
  async #connectOnce(): Promise<ConnectionError> {
    let connection: Connection | undefined
    try {
      connection = await Connection.open(this.#options, (message) => this.#listener.onMessage(message))
      if (this.#isClosing) return await this.#ended(connection)
      await connection.subscribe(this.#topics)
      this.#backoff.reset()
      this.#connection = connection
      this.connectedEvent.set()
      this.#report(undefined)
      this.#gatewayTimer = setTimeout(() => this.#expectGateway(), GATEWAY_S * 1000)
      this.#listener.onConnected()
      return await connection.waitClosed()
    } catch (error) {
      if (connection === undefined) chooseCertificate(this.#options.url)
      return error as ConnectionError
    } finally {
      clearTimeout(this.#gatewayTimer)
      this.#connection = undefined
      this.connectedEvent.clear()
      this.#listener.onDisconnected()
      await connection?.close()
    }
  }

  async #ended(connection: Connection): Promise<ConnectionError> {
    await connection.close()
    return await connection.waitClosed()
  }

  /** Report a broker without a gateway of the site: a retained state would have come at once. */
  #expectGateway(): void {
    if (!this.#listener.hasGateway()) this.#report(noGatewayAt(this.address, this.#site, this.#root))
  }

  #report(problem: ConnectionProblem | undefined): void {
    const isNew = problem?.text !== this.#problem?.text || problem?.how !== this.#problem?.how
    this.#problem = problem
    if (problem !== undefined && isNew) this.#onProblem(problem)
  }
}

/** Return a random client id: whoever knows one can end its connection. */
function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(RANDOM_ID_BYTES))
  return `desk-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`
}
