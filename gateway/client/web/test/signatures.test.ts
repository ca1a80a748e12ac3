/** Signatures and keys: every change is found, every form that RFC 7515 allows beside ours is refused. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bytesOf, fromBase64Url, toBase64Url } from '../src/contract/bytes.ts'
import { StationKey, UnusableKeyError } from '../src/index.ts'
import { InvalidSignatureError, Verifier } from '../src/signatures/jws.ts'
import { readPublicKey } from '../src/signatures/publicKeys.ts'

const PAYLOAD = bytesOf('bgw/v1/x\n{}')

async function pair(): Promise<{ key: StationKey; verifier: Verifier }> {
  const key = await StationKey.make()
  return { key, verifier: new Verifier([await readPublicKey((await key.enrolment()).publicKey)]) }
}

test('signature is verified, and names its key', async () => {
  const { key, verifier } = await pair()
  assert.equal(await verifier.check(PAYLOAD, await key.sign(PAYLOAD)), key.kid)
})

test('browser without Ed25519 signs with P-256', async (context) => {
  const { generateKey } = crypto.subtle
  context.mock.method(crypto.subtle, 'generateKey', (algorithm: { name: string }, ...more: [boolean, KeyUsage[]]) =>
    algorithm.name === 'Ed25519'
      ? Promise.reject(new DOMException('', 'NotSupportedError'))
      : generateKey.call(crypto.subtle, algorithm as EcKeyGenParams, ...more),
  )
  const { key, verifier } = await pair()
  const jws = await key.sign(PAYLOAD)
  assert.match(atob(jws.split('.')[0] ?? ''), /"alg":"ES256"/)
  assert.equal(await verifier.check(PAYLOAD, jws), key.kid)
})

test('private key cannot be read out', async () => {
  assert.deepEqual(JSON.parse(JSON.stringify(await StationKey.make())).privateKey, undefined)
})

test('any changed byte is found', async () => {
  const { key, verifier } = await pair()
  const jws = await key.sign(PAYLOAD)
  for (let at = 0; at < PAYLOAD.length; at += 1) {
    const changed = PAYLOAD.slice()
    changed[at] = (changed[at] ?? 0) ^ 1
    await assert.rejects(verifier.check(changed, jws), InvalidSignatureError)
  }
  for (let at = 0; at < jws.length; at += 1) {
    const other = jws[at] === 'A' ? 'B' : 'A'
    await assert.rejects(verifier.check(PAYLOAD, jws.slice(0, at) + other + jws.slice(at + 1)), InvalidSignatureError)
  }
})

test('other forms of a header are refused', async () => {
  const { key, verifier } = await pair()
  const [, , signature] = (await key.sign(PAYLOAD)).split('.')
  for (const header of [
    { alg: 'none', kid: key.kid },
    { alg: 'ES256', kid: key.kid },
    { alg: 'Ed25519', kid: key.kid, b64: false, crit: ['b64'] },
    { alg: 'Ed25519' },
    ['Ed25519', key.kid],
  ]) {
    const jws = `${toBase64Url(bytesOf(JSON.stringify(header)))}..${signature}`
    await assert.rejects(verifier.check(PAYLOAD, jws), InvalidSignatureError)
  }
  for (const jws of ['', '..', 'a.b.c', `${'A'.repeat(2000)}..AA`]) {
    await assert.rejects(verifier.check(PAYLOAD, jws), InvalidSignatureError)
  }
})

test('signature of an unknown key is refused', async () => {
  const { verifier } = await pair()
  await assert.rejects(verifier.check(PAYLOAD, await (await StationKey.make()).sign(PAYLOAD)), /no key that was given/)
})

test('public key is read as PEM, line and JWK, with one id', async () => {
  // RFC 8037, appendix A.3.
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }
  const line = 'MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo='
  const pem = `-----BEGIN PUBLIC KEY-----\n${line}\n-----END PUBLIC KEY-----\n`
  for (const text of [JSON.stringify({ ...jwk, alg: 'Ed25519', ext: true, key_ops: ['verify'] }), line, pem]) {
    assert.equal((await readPublicKey(text)).id, 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k')
  }
  for (const text of ['', '{', 'MCow', JSON.stringify({ ...jwk, d: jwk.x }), JSON.stringify({ kty: 'RSA' })]) {
    await assert.rejects(readPublicKey(text), UnusableKeyError)
  }
})

test('another spelling of the same base64url is refused', () => {
  assert.deepEqual(fromBase64Url('AQ'), Uint8Array.of(1))
  for (const text of ['AR', 'AQ==', 'A+', '', 'A Q']) assert.equal(fromBase64Url(text), undefined)
})
