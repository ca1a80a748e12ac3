"""Signatures: compared with another implementation of JWS, and rejected for any difference."""

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jws
from joserfc.jwk import OKPKey

from gateway.pki.jws import InvalidSignatureError, Signer, UnknownSignerError, Verifier

KEY = Ed25519PrivateKey.generate()
PUBLIC = KEY.public_key()
PAYLOAD = b'{"specversion":"1.0","data":{"n":1}}'
SIGNER = Signer(KEY)
JWS = SIGNER.sign(PAYLOAD)


def joserfc_key() -> OKPKey:
    def encoded(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    x, d = encoded(PUBLIC.public_bytes_raw()), encoded(KEY.private_bytes_raw())
    return OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": x, "d": d})


def test_signatures_fit_other_implementation() -> None:
    other = joserfc_key()
    found = jws.deserialize_compact(JWS, other, algorithms=["Ed25519"], payload=PAYLOAD)
    assert found.headers() == {"alg": "Ed25519", "kid": other.thumbprint()}
    header = {"alg": "Ed25519", "kid": other.thumbprint()}
    theirs = jws.detach_content(jws.serialize_compact(header, PAYLOAD, other, algorithms=["Ed25519"]))
    assert Verifier([PUBLIC]).check(PAYLOAD, theirs) == SIGNER.kid
    assert SIGNER.sign(PAYLOAD) == JWS  # signing is deterministic


def headed(header: dict[str, object]) -> str:
    """Sign with the right key under another header."""
    first = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    body = base64.urlsafe_b64encode(PAYLOAD).rstrip(b"=").decode()
    signature = base64.urlsafe_b64encode(KEY.sign(f"{first}.{body}".encode())).rstrip(b"=").decode()
    return f"{first}..{signature}"


def other_spelling() -> str:
    """Return the same signature in another spelling: its last letter has four unused bits."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return JWS[:-1] + alphabet[alphabet.index(JWS[-1]) ^ 1]


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "..",
        JWS[:-1],
        JWS + "A",
        JWS + "=",
        JWS.replace("..", ".e30."),
        other_spelling(),
        "\u00e9" + JWS,
        "A" * 5000,
        SIGNER.sign(PAYLOAD + b" "),
        headed({"alg": "none", "kid": SIGNER.kid}),
        headed({"alg": "Ed25519"}),
        headed({"alg": "Ed25519", "kid": 7}),
        headed({"alg": "Ed25519", "kid": "\n\ud800"}),
        headed({"alg": "Ed25519", "kid": SIGNER.kid, "b64": False, "crit": ["b64"]}),
    ],
)
def test_any_other_signature_is_rejected(wrong: str) -> None:
    with pytest.raises(InvalidSignatureError):
        Verifier([PUBLIC]).check(PAYLOAD, wrong)


def test_a_stranger_is_named_by_his_key() -> None:
    with pytest.raises(UnknownSignerError) as caught:
        Verifier([Ed25519PrivateKey.generate().public_key()]).check(PAYLOAD, JWS)
    assert caught.value.kid == SIGNER.kid


def test_every_byte_of_a_payload_counts() -> None:
    verifier = Verifier([PUBLIC])
    for at in range(len(PAYLOAD)):
        altered = bytearray(PAYLOAD)
        altered[at] ^= 1
        with pytest.raises(InvalidSignatureError):
            verifier.check(bytes(altered), JWS)
