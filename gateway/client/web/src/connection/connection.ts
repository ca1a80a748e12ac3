/** One MQTT connection of a workstation over WebSockets; it never connects again by itself. */

import mqtt from 'mqtt'
import type { IClientOptions, IPublishPacket, MqttClient, Packet } from 'mqtt'
import type { UserProperties } from '../signatures/statements.ts'
import { nowS } from '../time/clock.ts'
import { within, withResolvers } from '../time/waiting.ts'
import type { InboundMessage } from './inbound.ts'
import { ConnectionError, NotConnectedError } from './problems.ts'

const RECEIVE_MAXIMUM = 20
/** Upper bound on an incoming packet: the largest image (8 MiB) and its topic, as at the post's broker. */
const MAX_PACKET_BYTES = 9_437_184
const KEEPALIVE_S = 15
/** Interval of pings by which the transit of messages is bounded, in seconds. */
const PING_S = 2
const CONNECT_S = 5
const CLOSE_S = 1

/** TLS of Node; a browser has its own. */
export interface TlsOptions {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly pfx?: Uint8Array
  readonly passphrase?: string
}

/** Address and credentials of a connection. */
export interface ConnectionOptions {
  readonly url: string
  readonly clientId: string
  readonly username: string | undefined
  readonly password: string | undefined
  readonly tls: TlsOptions | undefined
  /** Time for which the broker keeps the session, in seconds; 0: it begins anew. */
  readonly sessionS: number
}

/**
 * Connection whose messages are processed one after the other, and acknowledged then.
 *
 * Whatever the function that takes a message does, the connection goes on: MQTT.js would stop at an exception.
 * All packets wait behind a message, answers to pings too, so it must never wait for a person.
 */
export class Connection {
  readonly #client: MqttClient
  readonly #onMessage: (message: InboundMessage) => Promise<void>
  readonly #opened = withResolvers<void>()
  readonly #closed = withResolvers<ConnectionError>()
  readonly #pingTimer: ReturnType<typeof setInterval>
  /** Times at which the pings were sent that the broker has not answered yet. */
  readonly #pings: number[] = []
  /** Reason codes of acknowledgements, by the id of the message. */
  readonly #codes = new Map<number, number>()
  /** Moment before which the broker had not sent what arrives now. */
  #sentAfterS = nowS()
  #isOpened = false
  #isClosed = false
  #failure: ConnectionError | undefined

  private constructor(options: ConnectionOptions, onMessage: (message: InboundMessage) => Promise<void>) {
    this.#onMessage = onMessage
    this.#client = mqtt.connect(options.url, mqttOptions(options))
    this.#client.handleMessage = (packet, done) => void this.#handle(packet as IPublishPacket, done)
    this.#client.on('connect', () => {
      this.#isOpened = true
      this.#opened.resolve()
    })
    this.#client.on('error', (error) => this.#fail(error))
    this.#client.on('disconnect', ({ reasonCode }) => {
      this.#failure = new ConnectionError('the broker ended the connection', reasonCode)
    })
    this.#client.on('close', () => this.#onClose())
    this.#client.on('packetsend', (packet) => this.#onSent(packet))
    this.#client.on('packetreceive', (packet) => this.#onReceived(packet))
    this.#pingTimer = setInterval(() => this.#ping(), PING_S * 1000)
    this.#opened.promise.catch(() => {})
  }

  /** Connect; rejects with ConnectionError. */
  static async open(
    options: ConnectionOptions,
    onMessage: (message: InboundMessage) => Promise<void>,
  ): Promise<Connection> {
    const connection = new Connection(options, onMessage)
    try {
      await connection.#opened.promise
      return connection
    } catch (error) {
      connection.#end()
      throw error
    }
  }

  /** Subscribe to topic filters, each with its QoS; what the access list denies is left out by the broker. */
  async subscribe(topics: readonly (readonly [string, 0 | 1])[]): Promise<void> {
    const filters = Object.fromEntries(topics.map(([topic, qos]) => [topic, { qos }]))
    const subscribed = new Promise<void>((resolve) => this.#client.subscribe(filters, () => resolve()))
    await Promise.race([subscribed, this.#closed.promise])
    if (this.#isClosed) throw this.#failure ?? new ConnectionError('the connection was lost')
  }

  /** Publish with QoS 1; returns the broker's reason code; rejects with NotConnectedError. */
  async send(topic: string, payload: Uint8Array, expiresS: number, jws: string | undefined): Promise<number> {
    const properties = {
      messageExpiryInterval: expiresS,
      contentType: 'application/json',
      ...(jws === undefined ? {} : { userProperties: { jws } }),
    }
    const sent = new Promise<number>((resolve, reject) => {
      const body = payload as Parameters<MqttClient['publish']>[1]
      this.#client.publish(topic, body, { qos: 1, properties }, (error, packet) => {
        const code = this.#takeCode(packet?.messageId)
        const refused = codeOf(error)
        if (typeof refused === 'number') resolve(refused)
        else if (error) reject(new NotConnectedError('the connection was lost'))
        else resolve(code)
      })
    })
    sent.catch(() => {})
    const lost = this.#closed.promise.then(() => Promise.reject(new NotConnectedError('the connection was lost')))
    return await Promise.race([sent, lost])
  }

  /** Wait until the connection ends; returns the reason. */
  async waitClosed(): Promise<ConnectionError> {
    return await this.#closed.promise
  }

  /** Disconnect, and close the socket at once where the broker does not accept even that. */
  async close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true
      const ended = new Promise<void>((resolve) => this.#client.end(false, {}, () => resolve()))
      await within(ended, CLOSE_S).catch(() => {})
    }
    this.#end()
  }

  #end(): void {
    this.#isClosed = true
    clearInterval(this.#pingTimer)
    this.#client.end(true)
    this.#closed.resolve(this.#failure ?? new ConnectionError('the connection was closed'))
  }

  #fail(error: Error): void {
    this.#failure ??= new ConnectionError(error.message, codeOf(error))
    // Errors of the protocol do not close the socket, such as an acknowledgement of the wrong kind.
    if (this.#client.connected) this.#end()
  }

  #onClose(): void {
    this.#isClosed = true
    clearInterval(this.#pingTimer)
    const text = this.#isOpened ? 'the connection was lost' : 'no WebSocket with MQTT 5 can be opened'
    const reason = this.#failure ?? new ConnectionError(text)
    this.#opened.reject(reason)
    this.#closed.resolve(reason)
  }

  async #handle(packet: IPublishPacket, done: () => void): Promise<void> {
    if (this.#isClosed) return // an acknowledgement would be in the name of the connection after this one
    try {
      await this.#onMessage(inbound(packet, this.#sentAfterS))
    } catch (error) {
      // A fault of ours must not stop all further messages.
      console.error(error instanceof Error ? error.stack : error)
    }
    if (!this.#isClosed) done()
  }

  #ping(): void {
    if (this.#client.connected && this.#pings.length === 0) this.#client.sendPing()
  }

  #onSent(packet: Packet): void {
    if (packet.cmd === 'pingreq') this.#pings.push(nowS())
  }

  /**
   * Take an answer to a ping: what comes after it was sent after the ping. Note the code of an acknowledgement:
   * MQTT.js keeps that of a message without subscribers to itself.
   */
  #onReceived(packet: Packet): void {
    if (packet.cmd === 'pingresp') {
      const sentS = this.#pings.shift()
      if (sentS !== undefined) this.#sentAfterS = sentS
    } else if (packet.cmd === 'puback' && packet.messageId !== undefined) {
      this.#codes.set(packet.messageId, packet.reasonCode ?? 0)
    }
  }

  #takeCode(messageId: number | undefined): number {
    const code = messageId === undefined ? undefined : this.#codes.get(messageId)
    if (messageId !== undefined) this.#codes.delete(messageId)
    return code ?? 0
  }
}

function mqttOptions(options: ConnectionOptions): IClientOptions {
  const { ca, cert, key, pfx, passphrase } = options.tls ?? {}
  return {
    protocolVersion: 5,
    clientId: options.clientId,
    clean: options.sessionS === 0,
    ...(options.username === undefined ? {} : { username: options.username }),
    ...(options.password === undefined ? {} : { password: options.password }),
    properties: {
      sessionExpiryInterval: options.sessionS,
      receiveMaximum: RECEIVE_MAXIMUM,
      maximumPacketSize: MAX_PACKET_BYTES,
    },
    keepalive: KEEPALIVE_S,
    connectTimeout: CONNECT_S * 1000,
    // It would send unacknowledged commands again after reconnecting.
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
    // The default is a worker made of a blob, which a strict Content-Security-Policy refuses.
    timerVariant: 'native',
    ...(options.tls === undefined ? {} : ({ ca, cert, key, pfx, passphrase } as IClientOptions)),
  }
}

function inbound(packet: IPublishPacket, sentAfterS: number): InboundMessage {
  const { properties } = packet
  const user: UserProperties = Object.entries(properties?.userProperties ?? {}).flatMap(([name, said]) =>
    [said].flat().map((value) => [name, value] as const),
  )
  return {
    topic: packet.topic.toString(),
    // A copy: the packet's bytes are a part of a larger buffer, which would stay in memory with an image.
    payload: new Uint8Array(packet.payload as Uint8Array),
    retain: packet.retain,
    expiresS: properties?.messageExpiryInterval,
    user,
    sentAfterS,
  }
}

function codeOf(error: unknown): string | number | undefined {
  const code = error !== null && typeof error === 'object' ? (error as { code?: unknown }).code : undefined
  return typeof code === 'string' || typeof code === 'number' ? code : undefined
}
