"""Encryption at rest: AES-256-GCM, data keys wrapped by one master key.

Every value has its own random 96-bit nonce and is bound to its place by additional data, so a row that is
moved or exchanged cannot be decrypted. A data key is made at every start and every day. Once no row uses it,
it is deleted, and any copies of those values in flash memory are unreadable (crypto-shredding).
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

from gateway.contract.states import KeyStorage
from gateway.delivery.settings import KeySettings

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
GENERATED_KEY_FILE = "master.key"


class EncryptionKeyError(Exception):
    """The master key is not available; the text says which, why, and what to do, never the key."""


@dataclass(frozen=True, slots=True)
class MasterKey:
    """Key that wraps data keys."""

    value: bytes
    storage: KeyStorage = KeyStorage.OPERATOR

    @property
    def fingerprint(self) -> bytes:
        """Identifier of the key that does not reveal it."""
        return hashlib.sha256(b"bgw master key fingerprint" + self.value).digest()[:8]

    def __repr__(self) -> str:
        return f"<MasterKey {self.fingerprint.hex()}>"


def master_key(settings: KeySettings, directory: Path) -> MasterKey:
    """Load the master key; make one in `directory` if none is configured. Raises EncryptionKeyError."""
    if settings.credential is not None:
        credentials = os.environ.get("CREDENTIALS_DIRECTORY")
        if not credentials:
            raise EncryptionKeyError(
                f"no credential {settings.credential!r}: systemd passed none; "
                f"add LoadCredentialEncrypted={settings.credential} to the unit"
            )
        return _sealed(_read(Path(credentials) / settings.credential), settings.credential)
    if settings.file is not None:
        _require_private_mode(settings.file)
        value = _decoded(_read(settings.file), str(settings.file))
        return MasterKey(value, _storage_of(settings.file, directory))
    if settings.variable is not None:
        text = os.environ.get(settings.variable)
        if text is None:
            raise EncryptionKeyError(
                f"environment variable {settings.variable} is not set: it must hold 32 bytes in base64"
            )
        return MasterKey(_decoded(text.encode(), settings.variable))
    return _generated(directory / GENERATED_KEY_FILE)


def _sealed(text: bytes, name: str) -> MasterKey:
    """Read a credential; that of `systemd/make-key` begins with the way in which it was sealed."""
    for storage in (KeyStorage.TPM, KeyStorage.MACHINE):
        prefix = f"{storage.value} ".encode()
        if text.startswith(prefix) and len(text) != KEY_BYTES:
            return MasterKey(_decoded(text.removeprefix(prefix), name), storage)
    return MasterKey(_decoded(text, name))


def _storage_of(file: Path, directory: Path) -> KeyStorage:
    """Return the place of a key in a file; another file system may be on another medium."""
    place = next((one for one in (directory, *directory.parents) if one.exists()), file)
    return KeyStorage.DISK if file.stat().st_dev == place.stat().st_dev else KeyStorage.OPERATOR


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise EncryptionKeyError(f"cannot read the key {path}: {error.strerror}") from None


def _require_private_mode(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise EncryptionKeyError(f"cannot read the key {path}: {error.strerror}") from None
    if not stat.S_ISREG(mode) or stat.S_IMODE(mode) & 0o077:
        raise EncryptionKeyError(
            f"the key {path} is readable by others (mode {stat.S_IMODE(mode):04o}): chmod 600 {path}"
        )


def _decoded(text: bytes, name: str) -> bytes:
    if len(text) == KEY_BYTES:
        return text
    try:
        value = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        value = b""
    if len(value) != KEY_BYTES:
        raise EncryptionKeyError(f"the key {name} is not 32 bytes, raw or in base64: openssl rand -base64 32")
    return value


def _generated(path: Path) -> MasterKey:
    """Read the generated key, or make it; a power cut leaves the whole file or none."""
    try:
        _require_private_mode(path)
        return MasterKey(_decoded(_read(path), str(path)), storage=KeyStorage.DISK)
    except EncryptionKeyError:
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
        raise EncryptionKeyError(f"cannot make the key {path}: {error.strerror}") from error
    return MasterKey(value, storage=KeyStorage.DISK)


def new_data_key(master: MasterKey) -> tuple[AESGCM, bytes]:
    """Make a data key; return its cipher, and the key wrapped for the disk."""
    value = AESGCM.generate_key(bit_length=256)
    return AESGCM(value), _wrap(master, value)


def unwrap(master: MasterKey, wrapped: bytes) -> AESGCM:
    """Unwrap a data key; raises EncryptionKeyError when another master key wrapped it."""
    return AESGCM(_unwrap(master, wrapped))


def rewrap(old: MasterKey, new: MasterKey, wrapped: bytes) -> bytes:
    """Wrap a data key with another master key; raises EncryptionKeyError when `old` did not wrap it."""
    return _wrap(new, _unwrap(old, wrapped))


def _wrap(master: MasterKey, value: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(master.value).encrypt(nonce, value, b"bgw data key")


def _unwrap(master: MasterKey, wrapped: bytes) -> bytes:
    try:
        return AESGCM(master.value).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], b"bgw data key")
    except InvalidTag:
        raise EncryptionKeyError("the outbox was encrypted with another master key") from None
