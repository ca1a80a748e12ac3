/** The element with the client, for pages of other programs: `borderpost-lane.js`. */

export { StationKey, Workstation, type WorkstationOptions } from 'borderpost-client'
export { BorderpostLane, type LaneOptions, type LockDetail } from './laneElement.ts'
