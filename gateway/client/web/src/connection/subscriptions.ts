/** Topics to which a workstation subscribes. */

import type { Position } from '../contract/topics.ts'

/** With QoS 0 the broker keeps no previews for a workstation that is away. */
const PREVIEW_QOS = 0
/** Topics below a device that every workstation reads. */
const DEVICE_TOPICS = ['desc', 'state', 'claim', 'now/+', 'evt/+', 'blob/+/+'] as const

/**
 * Return topic filters and their QoS. Commands and answers of other stations are not among them.
 *
 * `positions`: undefined for all devices of the site. `station`: undefined for a workstation without commands.
 */
export function subscriptions(
  root: string,
  site: string,
  positions: readonly Position[] | undefined,
  station: string | undefined,
): (readonly [string, 0 | 1])[] {
  const devices = positions ?? ['+/+']
  const topics: (readonly [string, 0 | 1])[] = DEVICE_TOPICS.map((topic) => [topic, 1] as const)
  if (station !== undefined) topics.push([`rsp/${station}`, 1], [`preview/${station}`, PREVIEW_QOS])
  return [
    [`${root}/${site}/_gw/+/state`, 1],
    [`${root}/${site}/_gw/+/fresh`, 1],
    ...devices.flatMap((device) =>
      topics.map(([topic, qos]) => [`${root}/${site}/${device}/${topic}`, qos] as const),
    ),
  ]
}
