"""Signing key: stored, loaded, and named as in RFC 8037."""

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.common.public_keys import key_id
from gateway.pki.keys import (
    UnusableKeyError,
    load_public_key,
    load_signing_key,
    make_signing_key,
)


def test_key_id_is_example_of_rfc_8037() -> None:
    x = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    assert key_id(Ed25519PublicKey.from_public_bytes(x)) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_key_is_read_back_and_never_replaced(tmp_path: Path) -> None:
    made = make_signing_key(tmp_path)
    assert stat.S_IMODE((tmp_path / "signing.key").stat().st_mode) == 0o600
    signature = load_signing_key(tmp_path / "signing.key").sign(b"said")
    load_public_key(tmp_path / "signing.pub").verify(signature, b"said")
    with pytest.raises(FileExistsError):
        make_signing_key(tmp_path)
    assert load_signing_key(tmp_path / "signing.key").private_bytes_raw() == made.private_bytes_raw()


def test_wrong_key_file_is_named(tmp_path: Path) -> None:
    make_signing_key(tmp_path)
    with pytest.raises(UnusableKeyError, match=r"signing\.pub holds no private key"):
        load_signing_key(tmp_path / "signing.pub")
    with pytest.raises(UnusableKeyError, match=r"signing\.key holds no public key"):
        load_public_key(tmp_path / "signing.key")
