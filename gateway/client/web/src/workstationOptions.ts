/** Options of a workstation. */

import type { Signer } from './commands/commandSender.ts'
import type { TlsOptions } from './connection/connection.ts'
import type { OnUndecoded } from './events/decoder.ts'
import type { Vocabulary } from './events/vocabularies.ts'
import type { ConnectionProblem, RejectedMessage } from './models.ts'

/** Options of a workstation. Those that are left out are off. */
export interface WorkstationOptions {
  /** Site, such as `ke-busia`. */
  readonly site: string
  /** Devices of this workstation, such as `lane-1/reader`; left out: all of the site that the broker permits. */
  readonly positions?: readonly string[]
  /**
   * Id of this workstation's session at the broker, random and stored by the caller; with it, what is sent while
   * the workstation is away comes when it returns.
   */
  readonly clientId?: string
  readonly username?: string
  readonly password?: string
  /** Certificates, for Node. In a browser they are those of the browser. */
  readonly tls?: TlsOptions
  /** Time for which the broker keeps the session of `clientId`, in seconds. */
  readonly sessionS?: number
  /** Name under which commands are sent; left out: `username`. */
  readonly station?: string
  /** True for a training post. */
  readonly training?: boolean
  /** Key of this station, by which its commands are signed. */
  readonly signingKey?: Signer
  /**
   * Public keys of each gateway, by its site and name, such as `ke-busia/gw-1`: PEM, base64 line or JWK. With
   * them, what a gateway did not sign is not used.
   */
  readonly verify?: Readonly<Record<string, readonly string[]>>
  /** Called with each message that was not used for its signature. */
  readonly onRejected?: (message: RejectedMessage) => void
  /** Called with each new problem of the connection; left out: it is a warning on the console. */
  readonly onProblem?: (problem: ConnectionProblem) => void
  /** Vocabularies of other vendors' packages: the `messages.json` of `borderpost contract --package NAME`. */
  readonly vocabularies?: readonly Vocabulary[]
  /** Called with the reason and the remedy, once for each schema, where data are passed on as JSON. */
  readonly onUndecoded?: OnUndecoded
}

/** Options of a command. */
export interface CommandOptions {
  /** Time until it must have begun (1 to 5), in seconds. */
  readonly expiresS?: number
  /** Time to wait for its end, in seconds. */
  readonly timeoutS?: number
  /** Id of the traveller's transaction. */
  readonly transaction?: string
}
