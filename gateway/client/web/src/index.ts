/**
 * Client library of a workstation: events of its positions, and commands to its devices.
 *
 *     const workstation = await Workstation.start('wss://broker.example:8884', {
 *       site: 'ke-busia',
 *       positions: ['lane-1/reader'],
 *     })
 *     for await (const event of workstation) {
 *       if (event.is('document.read')) show(event.data.mrz)
 *     }
 */

export { HeldClaim } from './commands/claims.ts'
export type { CommandResult, Signer } from './commands/commandSender.ts'
export {
  CommandError,
  CommandFailed,
  CommandNotSent,
  CommandRejected,
  CommandUnanswered,
} from './commands/errors.ts'
export { PreviewStream } from './commands/previews.ts'
export type { TlsOptions } from './connection/connection.ts'
export { CommandType } from './contract/tables.ts'
export type { Position } from './contract/topics.ts'
export type { OnUndecoded } from './events/decoder.ts'
export type { Vocabulary } from './events/vocabularies.ts'
export { COMMANDS } from './generated/commandTypes.ts'
export type * from './generated/types.ts'
export {
  DeviceStatus,
  ReceivedEvent,
  type ConnectionProblem,
  type DiscardCounts,
  type LastValue,
  type ProblemKind,
  type RejectedMessage,
} from './models.ts'
export { UnusableKeyError } from './signatures/publicKeys.ts'
export { StationKey, type Enrolment } from './signatures/stationKey.ts'
export { PARTS, Traveller, type Part, type Portrait, type Print } from './travellers/traveller.ts'
export { gatherTravellers, TravellerGathering } from './travellers/travellerGathering.ts'
export { AsyncEvent } from './time/waiting.ts'
export { Workstation } from './workstation.ts'
export type { CommandOptions, WorkstationOptions } from './workstationOptions.ts'
