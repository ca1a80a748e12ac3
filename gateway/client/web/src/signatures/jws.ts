/**
 * Detached signatures: JWS of RFC 7515, appendix F, over exact bytes.
 *
 * The algorithm belongs to the key: a header that names another one is invalid. Nothing is negotiated.
 */

import { bytesOf, fromBase64Url, toBase64Url, type Bytes } from '../contract/bytes.ts'
import { VERIFIED, type Algorithm, type PublicKey } from './publicKeys.ts'

const LONGEST = 1024
const KEY_ID = /^[A-Za-z0-9_-]{1,64}$/
const DECODER = new TextDecoder('utf-8', { fatal: true })

/** The signature does not fit these bytes, has another form, or is of an unknown key; the text says which. */
export class InvalidSignatureError extends Error {
  override readonly name = 'InvalidSignatureError'
}

/** Return the first part of a signature, which names its algorithm and key. */
export function headerOf(algorithm: Algorithm, kid: string): string {
  return toBase64Url(bytesOf(JSON.stringify({ alg: algorithm, kid })))
}

/** Return the bytes that are signed: the header, a dot, and the payload in base64url. */
export function signingInput(header: string, payload: Uint8Array): Bytes {
  return bytesOf(`${header}.${toBase64Url(payload)}`)
}

/** Verifier with the public keys of all accepted signers. */
export class Verifier {
  readonly #keys: ReadonlyMap<string, PublicKey>

  constructor(keys: Iterable<PublicKey>) {
    this.#keys = new Map(Array.from(keys, (key) => [key.id, key]))
  }

  /** Verify a signature; returns its key's id; rejects with InvalidSignatureError. */
  async check(payload: Uint8Array, jws: string): Promise<string> {
    const { header, algorithm, kid, signature } = splitJws(jws)
    const key = this.#keys.get(kid)
    if (key === undefined) {
      throw new InvalidSignatureError(`signed with ${kid}, which is no key that was given`)
    }
    if (algorithm !== key.algorithm) {
      throw new InvalidSignatureError('its header names another algorithm than that of the key')
    }
    const input = signingInput(header, payload)
    if (!(await crypto.subtle.verify(VERIFIED[key.algorithm], key.key, signature, input))) {
      throw new InvalidSignatureError('it does not fit these bytes')
    }
    return kid
  }
}

interface Parts {
  readonly header: string
  readonly algorithm: string
  readonly kid: string
  readonly signature: Bytes
}

function splitJws(jws: string): Parts {
  const [header, between, text, ...more] = jws.split('.')
  if (jws.length > LONGEST || header === undefined || between !== '' || text === undefined || more.length > 0) {
    throw new InvalidSignatureError('it is no detached JWS')
  }
  const named = fromBase64Url(header)
  const signature = fromBase64Url(text)
  if (named === undefined || signature === undefined) {
    throw new InvalidSignatureError('it is not valid base64url')
  }
  const said = parsed(named)
  // Anything else in it, such as `crit` or `b64`, might change what is signed.
  if (said === undefined || Object.keys(said).sort().join() !== 'alg,kid' || typeof said['alg'] !== 'string') {
    throw new InvalidSignatureError('its header has another form')
  }
  // The key id is logged before it is known to be valid: it must have the form of one.
  if (typeof said['kid'] !== 'string' || !KEY_ID.test(said['kid'])) {
    throw new InvalidSignatureError('it names no key')
  }
  return { header, algorithm: said['alg'], kid: said['kid'], signature }
}

function parsed(raw: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(DECODER.decode(raw))
    return value !== null && typeof value === 'object' && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}
