/** Errors of commands: each says what has happened, for a person and for a program. */

import type { ConnectionProblem } from '../models.ts'
import type { Position } from '../contract/topics.ts'

/** A command was not done, or its outcome is unknown. Holds text and remedy for a person. */
export class CommandError extends Error {
  override readonly name: string = 'CommandError'
  readonly cmdId: string
  /** Word of the contract's `CommandReason`; a word of the client for a command that never reached a gateway. */
  readonly reason: string
  readonly text: string
  readonly how: string

  constructor(cmdId: string, reason: string, text: string, how: string) {
    super(`${text} ${how}`.trim())
    this.cmdId = cmdId
    this.reason = reason
    this.text = text
    this.how = how
  }
}

/** The command never reached a gateway: nothing has begun. */
export class CommandNotSent extends CommandError {
  override readonly name = 'CommandNotSent'
}

/** The gateway or the device refused it, or it arrived too late: nothing has begun or moved. */
export class CommandRejected extends CommandError {
  override readonly name = 'CommandRejected'
}

/** The command was begun and not completed: something may have moved. */
export class CommandFailed extends CommandError {
  override readonly name = 'CommandFailed'
}

/** The outcome of the command is unknown: it may have been done. */
export class CommandUnanswered extends CommandError {
  override readonly name = 'CommandUnanswered'
}

/**
 * Make the error of a command for which no running gateway was found in time.
 *
 * `problem`: the fault of the connection, or of a site without any gateway.
 */
export function unreachable(
  position: Position,
  problem: ConnectionProblem | undefined,
  isConnected: boolean,
  isKnown: boolean,
): CommandNotSent {
  if (problem !== undefined) {
    return new CommandNotSent('', isConnected ? 'no_device' : 'not_connected', problem.text, problem.how)
  }
  if (!isKnown) {
    return new CommandNotSent(
      '',
      'no_device',
      `No device is known at ${position}.`,
      "Compare with the post's file.",
    )
  }
  return noGateway('')
}

/** Make the error of a command whose gateway does not run. */
export function noGateway(cmdId: string): CommandNotSent {
  return new CommandNotSent(cmdId, 'no_gateway', 'The gateway is not running.', 'Start it, or wait until it is back.')
}

/** Make the error of arguments that are those of another command; `expected`: id of the right schema. */
export function wrongArguments(position: Position, verb: string, expected: string): CommandNotSent {
  return new CommandNotSent(
    '',
    'wrong_arguments',
    `The arguments are not those of \`${verb}\` at ${position}, whose schema is ${expected}.`,
    "Use the model of that device's package, in the version that the gateway has.",
  )
}

/** Make the error of a signed command for which the gateway sent no token in time. */
export function noToken(): CommandNotSent {
  return new CommandNotSent(
    '',
    'no_token',
    'The gateway sent no token in time, and a signed command must name a fresh one.',
    "Check that the broker's access list lets this station read `_gw/+/fresh`, and that it is not late.",
  )
}

/** Make the error of a command whose outcome is unknown. */
export function unanswered(cmdId: string, text: string): CommandUnanswered {
  return new CommandUnanswered(
    cmdId,
    'no_answer',
    text,
    'Look at the device: it may have done all, part or nothing of it.',
  )
}
