/** Public keys of gateways and stations: their texts, and their ids. */

import { bytesOf, fromBase64, sha256, toBase64Url, type Bytes } from '../contract/bytes.ts'

export type Algorithm = 'Ed25519' | 'ES256'

/** A public key with its id, the thumbprint of RFC 7638. */
export interface PublicKey {
  readonly id: string
  readonly algorithm: Algorithm
  readonly key: CryptoKey
}

/** A text holds no key of the required kind, or this browser cannot use it. The text never holds the key. */
export class UnusableKeyError extends Error {
  override readonly name = 'UnusableKeyError'
}

/** Parameters of WebCrypto, by the name of the algorithm in a signature's header (RFC 9864, RFC 7518). */
export const IMPORTED = { Ed25519: { name: 'Ed25519' }, ES256: { name: 'ECDSA', namedCurve: 'P-256' } } as const
export const VERIFIED = { Ed25519: { name: 'Ed25519' }, ES256: { name: 'ECDSA', hash: 'SHA-256' } } as const

/** First bytes of a SubjectPublicKeyInfo with Ed25519 (RFC 8410), and with P-256 (RFC 5480). */
const SPKI_ED25519 = '302a300506032b6570032100'
const SPKI_P256 = '3059301306072a8648ce3d020106082a8648ce3d03010703420004'

/**
 * Read a public key: PEM, the base64 line of it as `borderpost trust key` prints it, or a JWK.
 *
 * Rejects with UnusableKeyError.
 */
export async function readPublicKey(text: string): Promise<PublicKey> {
  const trimmed = text.trim()
  if (trimmed.startsWith('{')) return await keyOfJwk(trimmed)
  const body = /^-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=\s]+)-----END PUBLIC KEY-----$/.exec(trimmed)
  const spki = fromBase64((body?.[1] ?? trimmed).replace(/\s/g, ''))
  const algorithm = spki && algorithmOfSpki(spki)
  if (spki === undefined || algorithm === undefined) throw noKey()
  return await imported('spki', spki, algorithm)
}

/** Return the id of a public key (RFC 7638; RFC 8037, section 2). */
export async function keyId(key: CryptoKey): Promise<string> {
  const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', key)
  const members = kty === 'OKP' ? { crv, kty, x } : { crv, kty, x, y }
  return toBase64Url(await sha256(bytesOf(JSON.stringify(members))))
}

/** Return the base64 line of a key, which `borderpost trust enrol` takes. */
export async function formatPublicKey(key: CryptoKey): Promise<string> {
  const url = toBase64Url(new Uint8Array(await crypto.subtle.exportKey('spki', key)))
  const plain = url.replaceAll('-', '+').replaceAll('_', '/')
  return plain.padEnd(Math.ceil(plain.length / 4) * 4, '=')
}

async function keyOfJwk(text: string): Promise<PublicKey> {
  let jwk: JsonWebKey
  try {
    jwk = JSON.parse(text) as JsonWebKey
  } catch {
    throw noKey()
  }
  const { kty, crv, x, y } = jwk
  if ('d' in jwk || x === undefined) throw noKey()
  if (kty === 'OKP' && crv === 'Ed25519') return await imported('jwk', { kty, crv, x }, 'Ed25519')
  if (kty === 'EC' && crv === 'P-256' && y !== undefined) return await imported('jwk', { kty, crv, x, y }, 'ES256')
  throw noKey()
}

async function imported(format: 'spki' | 'jwk', content: Bytes | JsonWebKey, algorithm: Algorithm): Promise<PublicKey> {
  try {
    const key =
      format === 'jwk'
        ? await crypto.subtle.importKey('jwk', content as JsonWebKey, IMPORTED[algorithm], true, ['verify'])
        : await crypto.subtle.importKey('spki', content as Bytes, IMPORTED[algorithm], true, ['verify'])
    return { id: await keyId(key), algorithm, key }
  } catch (error) {
    if (error instanceof DOMException && error.name === 'NotSupportedError') {
      throw new UnusableKeyError(`this browser cannot verify ${algorithm}: use a newer one`)
    }
    throw noKey()
  }
}

function algorithmOfSpki(spki: Uint8Array): Algorithm | undefined {
  const hex = Array.from(spki.subarray(0, 27), (byte) => byte.toString(16).padStart(2, '0')).join('')
  if (hex.startsWith(SPKI_ED25519) && spki.length === 44) return 'Ed25519'
  if (hex.startsWith(SPKI_P256) && spki.length === 91) return 'ES256'
  return undefined
}

function noKey(): UnusableKeyError {
  return new UnusableKeyError('this is no public key of Ed25519 or P-256, as PEM, as one line of base64, or as JWK')
}
