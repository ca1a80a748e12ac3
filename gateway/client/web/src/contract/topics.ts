/** Topics of a site, and positions of its devices. */

export const ROOT = 'bgw/v1'
/** Root of the topics of a training post; subscriptions to one root receive nothing of the other. */
export const TRAINING_ROOT = 'bgw-training/v1'
/** Lane level of gateways; levels that begin with `_` are never a lane. */
export const GATEWAY_LANE = '_gw'

const SLUG = '[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?'
const POSITION = new RegExp(`^(?:${GATEWAY_LANE}|${SLUG})/${SLUG}$`)

/** Address of a device, `lane/device`, such as `lane-1/reader`. It stays when the device is replaced. */
export type Position = `${string}/${string}`

/** Parse a position; throws RangeError. */
export function parsePosition(text: string): Position {
  if (!POSITION.test(text)) {
    throw new RangeError(
      `${JSON.stringify(text)} is no position: write lane/device, each of lower-case letters, digits and hyphens`,
    )
  }
  return text as Position
}

/** Topic below a device: `kind` is its first level, such as desc, state or evt. */
export interface DeviceTopic {
  readonly position: Position
  readonly kind: string
  readonly levels: readonly string[]
}

/** Levels of a topic of one site; undefined for another site. */
export function levelsOf(topic: string, site: string): readonly string[] | undefined {
  const [root, version, named, ...levels] = topic.split('/')
  const isOurs = (root === 'bgw' || root === 'bgw-training') && version === 'v1' && named === site
  return isOurs ? levels : undefined
}

/** Parse the levels below a site; undefined when they are not below a device. */
export function deviceTopic(levels: readonly string[]): DeviceTopic | undefined {
  const [lane, device, kind, ...rest] = levels
  if (lane === undefined || device === undefined || kind === undefined || lane.startsWith('_')) return undefined
  return { position: `${lane}/${device}`, kind, levels: rest }
}

/** Return the topic of a station's command; its last level names the sender. */
export function commandTopic(root: string, site: string, position: Position, verb: string, station: string): string {
  return `${root}/${site}/${position}/cmd/${verb}/${station}`
}
