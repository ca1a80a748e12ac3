/** Signatures of a gateway's retained messages, previews, tokens and answers. */

import { joinLines, signedBytes, type Bytes } from '../contract/bytes.ts'
import { REVISION_PROPERTY, SIGNATURE_PROPERTY } from '../contract/constants.ts'
import { InvalidSignatureError, Verifier } from './jws.ts'
import type { PublicKey } from './publicKeys.ts'

const REVISION = /^([A-Za-z0-9_-]{1,64})\/([1-9][0-9]{0,15})$/

/** User properties of a message, in their order; a name may repeat. */
export type UserProperties = readonly (readonly [string, string])[]

/** Verified revision of a retained message, such as a state. */
export interface Revision {
  readonly session: string
  readonly number: number
  /** Id of the gateway's key. */
  readonly key: string
}

/** Verifier with the public keys of all gateways of a site. */
export class StatementVerifier {
  readonly #verifier: Verifier

  constructor(keys: Iterable<PublicKey>) {
    this.#verifier = new Verifier(keys)
  }

  /** Verify a retained message or a picture; rejects with InvalidSignatureError. */
  async checkRetained(topic: string, body: Uint8Array, user: UserProperties): Promise<Revision> {
    const revision = single(user, REVISION_PROPERTY)
    const parts = REVISION.exec(revision)
    if (parts === null) throw new InvalidSignatureError('its revision has another form')
    const key = await this.#check(joinLines(topic, revision, body), user)
    return { session: parts[1] ?? '', number: Number(parts[2]), key }
  }

  /** Verify a token or an answer; returns the key's id; rejects with InvalidSignatureError. */
  async check(topic: string, body: Uint8Array, user: UserProperties): Promise<string> {
    return await this.#check(signedBytes(topic, body), user)
  }

  async #check(signed: Bytes, user: UserProperties): Promise<string> {
    return await this.#verifier.check(signed, single(user, SIGNATURE_PROPERTY))
  }
}

/** Return the only value of a user property; throws InvalidSignatureError. */
function single(user: UserProperties, name: string): string {
  const values = user.filter(([key]) => key === name)
  const [first] = values
  if (first === undefined) throw new InvalidSignatureError('it is not signed')
  if (values.length > 1) throw new InvalidSignatureError('it has two signatures')
  return first[1]
}
