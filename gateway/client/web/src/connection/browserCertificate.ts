/**
 * Client certificates in browsers.
 *
 * A WebSocket of Chromium never chooses a client certificate: it fails at once unless the browser has already
 * chosen one for that host and port by an https request. So such a request is made, and not waited for: its
 * answer does not matter, and a person may have to choose in a dialog meanwhile.
 */

import { nowS } from '../time/clock.ts'

/** Time in which attempts follow quickly after such a request, in seconds. */
const OFFER_S = 6
/** Interval of such requests while the broker cannot be reached, in seconds. */
const AGAIN_S = 60

let offeredS = -Infinity
let offeredUrl = ''

/** Make the browser choose a client certificate for a broker at `wss://`; does nothing elsewhere. */
export function chooseCertificate(url: string): void {
  if (!url.startsWith('wss:') || !('document' in globalThis)) return
  if (url === offeredUrl && nowS() - offeredS < AGAIN_S) return
  offeredS = nowS()
  offeredUrl = url
  const address = new URL(url)
  fetch(`https://${address.host}/`, { mode: 'no-cors', cache: 'no-store' }).catch(() => {})
}

/** Tell whether the browser may be choosing now. */
export function isOfferingCertificate(url: string): boolean {
  return url === offeredUrl && nowS() - offeredS < OFFER_S
}
