/** Texts for connection problems of a workstation: address, reason, remedy. */

import { TRAINING_ROOT } from '../contract/topics.ts'
import type { ConnectionProblem } from '../models.ts'

/** MQTT 5, section 3.2.2.2. */
const BAD_CREDENTIALS = 0x86
const NOT_AUTHORISED = 0x87
const RUNNING = 'Check that the broker is running, and speaks MQTT 5 over WebSockets at this port.'
const REASONS: Readonly<Record<string, readonly [string, string]>> = {
  ECONNREFUSED: ['connection refused', 'Start the broker, or correct the port (`borderpost demo` prints its own).'],
  EHOSTUNREACH: ['no route to host', 'Check the address and the network.'],
  ENETUNREACH: ['network is unreachable', 'Check the address and the network.'],
  ENOTFOUND: ['the host name cannot be resolved', 'Check the name, or give an address.'],
  EAI_AGAIN: ['the host name cannot be resolved', 'Check the name, or give an address.'],
  ETIMEDOUT: ['it does not respond', 'Check the address and the network.'],
}
const IN_BROWSER =
  'Check address and port, that the broker runs and its certificate is trusted, and that this page may reach it ' +
  '(guide: local networks and client certificates).'

/** Connecting failed, or a connection was lost. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError'
  /** Word of Node's network, or the broker's reason code, where there is one. */
  readonly code: string | number | undefined

  constructor(text: string, code?: string | number) {
    super(text)
    this.code = code
  }
}

/** The connection to the broker was lost, or there is none. */
export class NotConnectedError extends Error {
  override readonly name = 'NotConnectedError'
}

/** Explain why there is no connection to the broker at `address` (`host:port`). */
export function notConnected(address: string, error: unknown): ConnectionProblem {
  const [why, how] = reasonOf(error)
  const kind = isRefusal(error) ? 'refused' : 'unreachable'
  return { kind, address, text: `No connection to the MQTT broker at ${address}: ${why}.`, how }
}

/** Explain a broker without a gateway of the site under the topic root. */
export function noGatewayAt(address: string, site: string, root: string): ConnectionProblem {
  const training =
    root === TRAINING_ROOT
      ? 'for a post in production, leave out training: true.'
      : 'for a post in training, as that of `borderpost demo`, add training: true.'
  return {
    kind: 'no_gateway',
    address,
    text: `The broker at ${address} knows no gateway of site ${site} under ${root}/${site}/.`,
    how: `Start the gateway, or correct the site; ${training}`,
  }
}

/** Explain that another program uses this client id. */
export function takenOver(address: string, clientId: string): ConnectionProblem {
  return {
    kind: 'displaced',
    address,
    text: `Another program or page has connected to ${address} as client ${clientId}; this one has stopped.`,
    how: 'Close one of them, or give each a client id of its own; then start this one again.',
  }
}

/** Tell whether the broker has refused the name, the password or the certificate. */
function isRefusal(error: unknown): boolean {
  return error instanceof ConnectionError && (error.code === BAD_CREDENTIALS || error.code === NOT_AUTHORISED)
}

function reasonOf(error: unknown): readonly [string, string] {
  const code = error instanceof ConnectionError ? error.code : undefined
  if (isRefusal(error)) {
    return ['it refuses this user name, password or certificate', "Compare them with the broker's."]
  }
  const known = code === undefined ? undefined : REASONS[String(code)]
  if (known !== undefined) return known
  if (/CERT|SSL|TLS|SELF_SIGNED/.test(String(code))) {
    return [`TLS failed (${code})`, 'Check the certificates and the port.']
  }
  const text = error instanceof Error && error.message ? error.message : 'it does not respond'
  return [text, 'document' in globalThis ? IN_BROWSER : RUNNING]
}
