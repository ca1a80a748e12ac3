"""Signing key of a post: a file, or a systemd credential."""

from types import SimpleNamespace
from typing import Any

import pytest

from gateway.common.public_keys import key_id
from gateway.pki.keys import make_signing_key
from gateway.pki.signing_key import load_signer


def post(**named: Any) -> Any:
    """Make the part of the settings that names a key."""
    return SimpleNamespace(
        gateway=SimpleNamespace(**{"signing_key": None, "signing_credential": None} | named)
    )


def test_key_of_the_file(tmp_path, monkeypatch):
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    key = make_signing_key(tmp_path)
    assert load_signer(post(signing_key=tmp_path / "signing.key")).kid == key_id(key.public_key())


def test_key_of_a_credential(tmp_path, monkeypatch):
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    key = make_signing_key(tmp_path)
    assert load_signer(post(signing_credential="signing.key")).kid == key_id(key.public_key())


def test_no_credentials(monkeypatch):
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(FileNotFoundError, match="systemd gave this process no credentials"):
        load_signer(post(signing_credential="signing.key"))
