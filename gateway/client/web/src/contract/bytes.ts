/** Bytes: texts, JSON, base64, hashes, and what signatures cover. */

/** Bytes in memory of their own, as WebCrypto requires. */
export type Bytes = Uint8Array<ArrayBuffer>

const ENCODER = new TextEncoder()
const DECODER = new TextDecoder('utf-8', { fatal: true })

/** Return the UTF-8 bytes of a text. */
export function bytesOf(text: string): Bytes {
  return ENCODER.encode(text) as Bytes
}

/** Parse JSON; throws TypeError, SyntaxError. */
export function parseJson(payload: Uint8Array): unknown {
  return JSON.parse(DECODER.decode(payload))
}

/** Return a field of a JSON object if it is a text, of a message that may be anything. */
export function textField(payload: Uint8Array, name: string): string | undefined {
  try {
    const value = parseJson(payload)
    if (value === null || typeof value !== 'object' || !Object.hasOwn(value, name)) return undefined
    const found = (value as Record<string, unknown>)[name]
    return typeof found === 'string' ? found : undefined
  } catch {
    return undefined
  }
}

/** Join texts and bytes with line feeds between them. */
export function joinLines(...parts: readonly (string | Uint8Array)[]): Bytes {
  const pieces = parts.map((part) => (typeof part === 'string' ? bytesOf(part) : part))
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, pieces.length - 1))
  let at = 0
  for (const [index, piece] of pieces.entries()) {
    if (index > 0) whole[at++] = 0x0a
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}

/** Encode base64url without padding. */
export function toBase64Url(raw: Uint8Array): string {
  let text = ''
  for (let at = 0; at < raw.length; at += 0x8000) {
    text += String.fromCharCode(...raw.subarray(at, at + 0x8000))
  }
  return btoa(text).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '')
}

/** Decode base64url; undefined for anything else, also for another spelling of the same bytes. */
export function fromBase64Url(text: string): Bytes | undefined {
  if (!/^[A-Za-z0-9_-]+$/.test(text)) return undefined
  const raw = fromBase64(text.replaceAll('-', '+').replaceAll('_', '/'))
  return raw !== undefined && raw.length > 0 && toBase64Url(raw) === text ? raw : undefined
}

/** Decode base64 with or without padding; undefined for anything else. */
export function fromBase64(text: string): Bytes | undefined {
  try {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))
  } catch {
    return undefined
  }
}

/** Return the SHA-256 of bytes. */
export async function sha256(content: Uint8Array): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', content as Bytes))
}

/** Return the SHA-256 of bytes in lower-case hexadecimal. */
export async function sha256Hex(content: Uint8Array): Promise<string> {
  return Array.from(await sha256(content), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** Return the bytes that the signature of a command, or of its answer, covers. */
export function signedBytes(topic: string, body: Uint8Array): Bytes {
  return joinLines(topic, body)
}

/** Return the digest by which an answer names its command. */
export async function requestDigest(topic: string, body: Uint8Array, jws: string | undefined): Promise<string> {
  return await sha256Hex(joinLines(topic, body, jws ?? ''))
}
