/** Key with which a station signs its commands: made here, not extractable, kept by the browser. */

import { fromBase64 } from '../contract/bytes.ts'
import { headerOf, signingInput } from './jws.ts'
import { toBase64Url } from '../contract/bytes.ts'
import { formatPublicKey, IMPORTED, keyId, UnusableKeyError, VERIFIED, type Algorithm } from './publicKeys.ts'

const DATABASE = 'borderpost-station-keys'
const STORE = 'keys'

/** Public half of a station's key, for `borderpost trust enrol`. */
export interface Enrolment {
  /** Id of the key; compare it with the one that `trust enrol` shows. */
  readonly kid: string
  /** Base64 line of the key. */
  readonly publicKey: string
}

/** Signer of one station. */
export class StationKey {
  readonly kid: string
  readonly #algorithm: Algorithm
  readonly #pair: CryptoKeyPair
  readonly #header: string

  private constructor(pair: CryptoKeyPair, algorithm: Algorithm, kid: string) {
    this.kid = kid
    this.#pair = pair
    this.#algorithm = algorithm
    this.#header = headerOf(algorithm, kid)
  }

  /** Make a key that cannot be read out: Ed25519, or P-256 where the browser has no Ed25519. */
  static async make(): Promise<StationKey> {
    // An id that begins with a dash looks like an option of a command.
    for (;;) {
      const made = await StationKey.#of(await newPair())
      if (!made.kid.startsWith('-')) return made
    }
  }

  /**
   * Return the key that this browser keeps under a name; it is made where there is none.
   *
   * A browser may throw it away with the data of the site: then a new one is made, which must be enrolled.
   */
  static async kept(name: string): Promise<StationKey> {
    const found = await stored<CryptoKeyPair>('readonly', (store) => store.get(name))
    if (found !== undefined) return await StationKey.#of(found)
    const made = await StationKey.make()
    await navigator.storage?.persist?.()
    await stored('readwrite', (store) => store.put(made.#pair, name))
    return made
  }

  /** Remove the key that this browser keeps under a name. */
  static async forget(name: string): Promise<void> {
    await stored('readwrite', (store) => store.delete(name))
  }

  /** Read a private key in PEM without a passphrase, as `borderpost trust key` writes it: for Node. */
  static async fromPem(pem: string): Promise<StationKey> {
    const body = /-----BEGIN PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END PRIVATE KEY-----/.exec(pem)
    const der = body?.[1] === undefined ? undefined : fromBase64(body[1].replace(/\s/g, ''))
    if (der !== undefined) {
      for (const algorithm of ['Ed25519', 'ES256'] as const) {
        try {
          // Extractable for a moment: the public half is read out of it.
          const whole = await crypto.subtle.importKey('pkcs8', der, IMPORTED[algorithm], true, ['sign'])
          const { d: _, key_ops: __, ...rest } = await crypto.subtle.exportKey('jwk', whole)
          const publicKey = await crypto.subtle.importKey('jwk', rest, IMPORTED[algorithm], true, ['verify'])
          const privateKey = await crypto.subtle.importKey('pkcs8', der, IMPORTED[algorithm], false, ['sign'])
          return await StationKey.#of({ privateKey, publicKey })
        } catch {
          continue // of the other kind
        }
      }
    }
    throw new UnusableKeyError('there is no private key of Ed25519 or P-256 in PEM without a passphrase')
  }

  static async #of(pair: CryptoKeyPair): Promise<StationKey> {
    const algorithm = pair.privateKey.algorithm.name === 'Ed25519' ? 'Ed25519' : 'ES256'
    return new StationKey(pair, algorithm, await keyId(pair.publicKey))
  }

  /** Return the public half, for `borderpost trust enrol`. */
  async enrolment(): Promise<Enrolment> {
    return { kid: this.kid, publicKey: await formatPublicKey(this.#pair.publicKey) }
  }

  /** Make the detached JWS of a payload: `header..signature`. */
  async sign(payload: Uint8Array): Promise<string> {
    const input = signingInput(this.#header, payload)
    const signature = await crypto.subtle.sign(VERIFIED[this.#algorithm], this.#pair.privateKey, input)
    return `${this.#header}..${toBase64Url(new Uint8Array(signature))}`
  }
}

async function newPair(): Promise<CryptoKeyPair> {
  try {
    return (await crypto.subtle.generateKey(IMPORTED.Ed25519, false, ['sign', 'verify'])) as CryptoKeyPair
  } catch {
    return await crypto.subtle.generateKey(IMPORTED.ES256, false, ['sign', 'verify'])
  }
}

/** Run one request on the store of keys. */
async function stored<T>(
  mode: IDBTransactionMode,
  ask: (store: IDBObjectStore) => IDBRequest,
): Promise<T | undefined> {
  const database = await new Promise<IDBDatabase>((resolve, reject) => {
    const opening = indexedDB.open(DATABASE, 1)
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE)
    opening.onsuccess = () => resolve(opening.result)
    opening.onerror = () => reject(opening.error)
  })
  try {
    return await new Promise<T | undefined>((resolve, reject) => {
      const transaction = database.transaction(STORE, mode)
      const request = ask(transaction.objectStore(STORE))
      transaction.oncomplete = () => resolve(request.result as T | undefined)
      transaction.onerror = () => reject(transaction.error)
      transaction.onabort = () => reject(transaction.error)
    })
  } finally {
    database.close()
  }
}
