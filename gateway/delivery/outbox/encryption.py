"""What is on disk is sealed: AES-256-GCM, data keys wrapped by one master key.

Every value has its own random 96-bit nonce and is bound to its place by additional data, so a row that is
moved or exchanged does not open. A data key is made at every start and every day; once nothing on disk uses
it, it is deleted, and whatever flash still holds of those values is noise (crypto-shredding).
"""

import base64
import binascii
import hashlib
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.delivery.settings import KeySettings

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
SEALS_PER_KEY = 2**31
"""Values under one data key; NIST SP 800-38D, section 8.3, allows 2**32 with random nonces."""
GENERATED = "master.key"


class VaultError(Exception):
    """The master key cannot be had; the sentence says which, why, and what to do, never the key."""


@dataclass(frozen=True, slots=True)
class MasterKey:
    """Wraps data keys."""

    value: bytes
    beside_disk: bool = False
    """Whether it lies on the disk it protects."""

    @property
    def fingerprint(self) -> bytes:
        """Tells master keys apart without telling them."""
        return hashlib.sha256(b"bgw master key fingerprint" + self.value).digest()[:8]

    def __repr__(self) -> str:
        return f"<MasterKey {self.fingerprint.hex()}>"


def master_key(settings: KeySettings, directory: Path) -> MasterKey:
    """Fetch the master key; make one in `directory` when none is configured. Raises VaultError."""
    if settings.credential is not None:
        credentials = os.environ.get("CREDENTIALS_DIRECTORY")
        if not credentials:
            raise VaultError(
                f"no credential {settings.credential!r}: systemd passed none; "
                f"add LoadCredentialEncrypted={settings.credential} to the unit"
            )
        return MasterKey(_decoded(_read(Path(credentials) / settings.credential), settings.credential))
    if settings.file is not None:
        _refuse_shared(settings.file)
        return MasterKey(_decoded(_read(settings.file), str(settings.file)))
    if settings.env is not None:
        text = os.environ.get(settings.env)
        if text is None:
            raise VaultError(
                f"environment variable {settings.env} is not set: it must hold 32 bytes in base64"
            )
        return MasterKey(_decoded(text.encode(), settings.env))
    return _generated(directory / GENERATED)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise VaultError(f"cannot read the key {path}: {error.strerror}") from None


def _refuse_shared(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise VaultError(f"cannot read the key {path}: {error.strerror}") from None
    if not stat.S_ISREG(mode) or stat.S_IMODE(mode) & 0o077:
        raise VaultError(
            f"the key {path} is open to others (mode {stat.S_IMODE(mode):04o}): chmod 600 {path}"
        )


def _decoded(text: bytes, name: str) -> bytes:
    if len(text) == KEY_BYTES:
        return text
    try:
        value = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        value = b""
    if len(value) != KEY_BYTES:
        raise VaultError(f"the key {name} is not 32 bytes, raw or in base64: openssl rand -base64 32")
    return value


def _generated(path: Path) -> MasterKey:
    """Read the key we made, or make it; whole or not at all, even if the power fails meanwhile."""
    try:
        _refuse_shared(path)
        return MasterKey(_decoded(_read(path), str(path)), beside_disk=True)
    except VaultError:
        if path.exists():
            raise
    value = secrets.token_bytes(KEY_BYTES)
    draft = path.with_suffix(".new")
    try:
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(base64.b64encode(value) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    except OSError as error:
        raise VaultError(f"cannot make the key {path}: {error.strerror}") from error
    return MasterKey(value, beside_disk=True)


def new_data_key(master: MasterKey) -> tuple[AESGCM, bytes]:
    """Make a data key: to use, and wrapped for the disk."""
    value = AESGCM.generate_key(bit_length=256)
    return AESGCM(value), _wrap(master, value)


def unwrap(master: MasterKey, wrapped: bytes) -> AESGCM:
    """Open a data key; raises VaultError when another master key wrapped it."""
    return AESGCM(_unwrap(master, wrapped))


def rewrap(old: MasterKey, new: MasterKey, wrapped: bytes) -> bytes:
    """Wrap a data key anew; raises VaultError when `old` did not wrap it."""
    return _wrap(new, _unwrap(old, wrapped))


def _wrap(master: MasterKey, value: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(master.value).encrypt(nonce, value, b"bgw data key")


def _unwrap(master: MasterKey, wrapped: bytes) -> bytes:
    try:
        return AESGCM(master.value).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], b"bgw data key")
    except InvalidTag:
        raise VaultError("the outbox was sealed with another master key") from None


class DataKeys:
    """The data keys in use: one seals, all open."""

    def __init__(self) -> None:
        self._ciphers: dict[int, AESGCM] = {}
        self.current = 0
        self.day = ""
        self._seals = 0

    def add(self, number: int, cipher: AESGCM) -> None:
        """Know a key of an earlier time, to open with."""
        self._ciphers[number] = cipher

    def use(self, number: int, cipher: AESGCM, day: str) -> None:
        """Seal with this key from now on."""
        self.add(number, cipher)
        self.current, self.day, self._seals = number, day, 0

    def forget(self, number: int) -> None:
        """Drop a key that nothing uses."""
        self._ciphers.pop(number, None)

    @property
    def numbers(self) -> frozenset[int]:
        """Every key that is known."""
        return frozenset(self._ciphers)

    @property
    def worn(self) -> bool:
        """Whether the sealing key has sealed all it may."""
        return self._seals >= SEALS_PER_KEY

    def seal(self, place: str, value: bytes) -> bytes:
        """Seal a value to its place with the current key."""
        self._seals += 1
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._ciphers[self.current].encrypt(nonce, value, f"{place}|{self.current}".encode())

    def open(self, number: int, place: str, sealed: bytes) -> bytes | None:
        """Open a value; None when it is damaged, displaced, or its key is gone."""
        cipher = self._ciphers.get(number)
        if cipher is None:
            return None
        try:
            return cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], f"{place}|{number}".encode())
        except (InvalidTag, ValueError):
            return None
