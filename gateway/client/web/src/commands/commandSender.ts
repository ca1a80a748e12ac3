/** Commands of a workstation: numbering, signing, sending, and matching of answers. */

import { NotConnectedError } from '../connection/problems.ts'
import { bytesOf, parseJson, requestDigest, signedBytes } from '../contract/bytes.ts'
import type { SchemaReader } from '../contract/schemaReader.ts'
import { commandTopic, type Position } from '../contract/topics.ts'
import type { CommandAnswer, DeviceDescription } from '../generated/types.ts'
import { TimeLimitError, within, withResolvers, type Deferred } from '../time/waiting.ts'
import { CommandFailed, CommandNotSent, CommandRejected, noGateway, unanswered } from './errors.ts'

/** MQTT 5, section 2.4. */
const NO_SUBSCRIBERS = 0x10
const REFUSED = 0x80

/** A command that was done. */
export interface CommandResult<T = unknown> {
  readonly cmdId: string
  /** Transaction that the events of this command carry. */
  readonly transaction: string | undefined
  /** The model of this command's result, or its plain JSON. */
  readonly result: T
  /** True if the gateway signed this answer; always false without `verify`. */
  readonly isVerified: boolean
}

/** Signer of commands; `StationKey` is one. */
export interface Signer {
  sign(payload: Uint8Array): Promise<string>
}

/** Function that publishes on a topic, with an expiry in seconds and a signature. */
export type Publish = (
  topic: string,
  payload: Uint8Array,
  expiresS: number,
  jws: string | undefined,
) => Promise<number>

/** Content of one command. */
export interface OutgoingCommand {
  readonly position: Position
  readonly verb: string
  readonly args: Readonly<Record<string, unknown>>
  readonly session: string
  readonly transaction: string | undefined
  /** The gateway's newest token, for a signed command. */
  readonly fresh: string | undefined
  readonly expiresS: number
  readonly timeoutS: number
}

interface Pending {
  readonly session: string
  digest: string
  readonly answer: Deferred<CommandAnswer>
  isAccepted: boolean
  /** True if the gateway refused a changed copy of it. */
  isAltered: boolean
}

/** Commands of one station. Sequence numbers follow the wall clock, so they increase over a restart. */
export class CommandSender {
  readonly station: string | undefined
  readonly #root: string
  readonly #site: string
  readonly #reader: SchemaReader
  readonly #signer: Signer | undefined
  readonly #pending = new Map<string, Pending>()
  #lastCommandSeq = 0

  constructor(
    root: string,
    site: string,
    station: string | undefined,
    reader: SchemaReader,
    signer: Signer | undefined,
  ) {
    this.#root = root
    this.#site = site
    this.station = station
    this.#reader = reader
    this.#signer = signer
  }

  /** True if commands are signed. */
  get isSigning(): boolean {
    return this.#signer !== undefined
  }

  /** Send one command and wait for its end; rejects with CommandNotSent, CommandUnanswered. */
  async send(command: OutgoingCommand, publish: Publish): Promise<CommandAnswer> {
    if (this.station === undefined) {
      throw new TypeError("only a workstation with a station's name can send commands: give `station`")
    }
    const cmdId = newId()
    const topic = commandTopic(this.#root, this.#site, command.position, command.verb, this.station)
    const payload = bytesOf(
      JSON.stringify({
        cmd_id: cmdId,
        session: command.session,
        command_seq: this.#nextCommandSeq(),
        args: command.args,
        transaction: command.transaction,
        fresh: command.fresh,
      }),
    )
    const jws = await this.#signer?.sign(signedBytes(topic, payload))
    const asked: Pending = {
      session: command.session,
      digest: await requestDigest(topic, payload, jws),
      answer: withResolvers<CommandAnswer>(),
      isAccepted: false,
      isAltered: false,
    }
    asked.answer.promise.catch(() => {}) // also when nobody waits for it any more
    this.#pending.set(cmdId, asked)
    const exchange = async () => {
      raiseForCode(await publish(topic, payload, command.expiresS, jws), cmdId)
      return await asked.answer.promise
    }
    try {
      return await within(exchange(), command.timeoutS)
    } catch (error) {
      if (error instanceof TimeLimitError) {
        const said = asked.isAccepted ? 'It was accepted, but there was' : 'There was'
        const altered = asked.isAltered ? ' A copy that was changed on its way was refused.' : ''
        throw unanswered(cmdId, `${said} no answer within ${command.timeoutS} seconds.${altered}`)
      }
      if (error instanceof NotConnectedError) throw unanswered(cmdId, 'The connection to the broker was lost.')
      throw error
    } finally {
      this.#pending.delete(cmdId)
    }
  }

  /**
   * Take an answer; throws for an unreadable one.
   *
   * `isVerified`: the gateway signed it. Then it is used only if it answers exactly what was sent: a refusal of
   * a changed copy must not pass for the refusal of the command.
   */
  onAnswer(payload: Uint8Array, isVerified: boolean): void {
    const answer = this.#reader.read('CommandAnswer', parseJson(payload)) as CommandAnswer
    const asked = this.#pending.get(answer.cmd_id ?? '')
    if (asked === undefined) return
    if (isVerified && answer.request_sha256 !== asked.digest) {
      asked.isAltered = true
      return
    }
    if (answer.last_command_seq !== null) {
      this.#lastCommandSeq = Math.max(this.#lastCommandSeq, answer.last_command_seq)
    }
    if (answer.state === 'accepted') asked.isAccepted = true
    else asked.answer.resolve(answer)
  }

  /** Fail all commands of a gateway session that is over. */
  onGatewayLost(session: string): void {
    for (const [cmdId, asked] of this.#pending) {
      if (asked.session === session) asked.answer.reject(unanswered(cmdId, 'The gateway ended meanwhile.'))
    }
  }

  #nextCommandSeq(): number {
    this.#lastCommandSeq = Math.max(this.#lastCommandSeq + 1, Date.now())
    return this.#lastCommandSeq
  }
}

/** Tell whether a verb stops a machine, as the gateway does. */
export function isStopVerb({ commands }: DeviceDescription, verb: string): boolean {
  return commands.some((each) => each.verb === verb && each.urgent) && commands.some((each) => each.moves)
}

/** Return the result of a command that was done; else throws CommandRejected or CommandFailed. */
export function toResult(
  answer: CommandAnswer,
  decode: (said: unknown) => unknown,
  isVerified: boolean,
): CommandResult {
  const cmdId = answer.cmd_id ?? ''
  const reason = answer.reason ?? 'unknown'
  switch (answer.state) {
    case 'done':
      return {
        cmdId,
        transaction: answer.transaction ?? undefined,
        result: decode(answer.result ?? {}),
        isVerified,
      }
    case 'rejected':
    case 'expired':
      throw new CommandRejected(cmdId, reason, answer.text, answer.how)
    case 'failed':
      throw new CommandFailed(cmdId, reason, answer.text, answer.how)
    default:
      throw unanswered(cmdId, 'The gateway sent an answer that this version does not know.')
  }
}

/** Throw CommandNotSent for a reason code with which the broker refused a command. */
function raiseForCode(code: number, cmdId: string): void {
  // It ended just now: its state at the broker does not show it yet.
  if (code === NO_SUBSCRIBERS) throw noGateway(cmdId)
  if (code >= REFUSED) {
    throw new CommandNotSent(
      cmdId,
      'not_authorised',
      `The broker does not permit this station to send that command (reason code 0x${code.toString(16)}).`,
      "An administrator can grant it in the broker's access list and the post's role file.",
    )
  }
}

/** Return a random UUID; `crypto.randomUUID` is missing on pages without TLS. */
function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
