"""The signing key of one gateway, used for events of another gateway or another state."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.client.models import DiscardCounts, RejectedMessage
from gateway.client.verification import SignatureVerifier
from gateway.contract.topics import Position
from gateway.pki.jws import Signer

READER = Position("lane-1", "reader")
SIGNERS = {name: Ed25519PrivateKey.generate() for name in ("ke-busia/gw-1", "ke-busia/gw-2", "ug-busia/gw-1")}
KEYS = {name: [key.public_key()] for name, key in SIGNERS.items()}


@pytest.mark.parametrize("site", ["ke-busia", "ug-busia"])
@pytest.mark.parametrize("gateway", ["gw-1", "gw-2"])
@pytest.mark.parametrize("signer", SIGNERS)
def test_key_vouches_for_its_own_gateway(site: str, gateway: str, signer: str) -> None:
    rejected: list[RejectedMessage] = []
    verifier = SignatureVerifier(KEYS, site, DiscardCounts(), rejected.append)
    payload = json.dumps({"id": "x", "source": f"/bgw/{site}/{gateway}/{READER}"}).encode()
    accepted = verifier.verify_event(READER, payload, Signer(SIGNERS[signer]).sign(payload))
    assert accepted == (signer == f"{site}/{gateway}")
    texts = [] if accepted else ["it is signed with the key of another gateway"]
    assert [each.text for each in rejected] == texts


def test_old_and_new_key_of_a_gateway_are_good() -> None:
    old, new = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    keys = {"ke-busia/gw-1": [old.public_key(), new.public_key()]}
    verifier = SignatureVerifier(keys, "ke-busia", DiscardCounts(), None)
    payload = json.dumps({"source": f"/bgw/ke-busia/gw-1/{READER}"}).encode()
    for key in (old, new):
        assert verifier.verify_event(READER, payload, Signer(key).sign(payload))
