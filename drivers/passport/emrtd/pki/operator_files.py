"""Files that an operator gives: the content of files and folders, and the certificates in each.

Nothing here raises: what cannot be used becomes a fault, one sentence for the technician with the file, the
entry and, where it can be found, the subject. One wrong certificate of a state must not close a border.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from drivers.passport.emrtd.pki.file_kinds import unusable_kind
from drivers.passport.emrtd.pki.names import subject_text

MAX_FILE_BYTES = 32 * 1024 * 1024
"""Upper bound on a file, in bytes: the largest master list has about one hundredth."""
_MAX_FILES = 10_000
_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s([A-Za-z0-9+/=\s]+)-----END \1-----")
_LABELS = re.compile(rb"(?:X509 )?CERTIFICATE|X509 CRL|CMS|PKCS7")


@dataclass(frozen=True, slots=True)
class OperatorFile:
    """One file and its content."""

    name: str
    content: bytes = field(repr=False)
    modified_at: datetime


def read_files(places: Iterable[Path], faults: list[str]) -> Iterator[OperatorFile]:
    """Yield the files at these places, those of folders recursively and in the order of their names.

    A place that does not exist is a fault too.
    """
    for path in _paths(places, faults):
        try:
            status = path.stat()
            if status.st_size > MAX_FILE_BYTES:
                faults.append(f"{path.name}: the file is larger than any such file")
                continue
            content = path.read_bytes()
        except OSError as error:
            faults.append(f"{path.name}: {error.strerror}")
        else:
            yield OperatorFile(path.name, content, datetime.fromtimestamp(status.st_mtime, UTC))


def encoded_objects(name: str, content: bytes, faults: list[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the objects of a file in PEM or DER, encoded in DER, each with its place in words."""
    blocks = list(_PEM.finditer(content))
    if not blocks:
        yield from _usable(name, content, faults)
    for number, block in enumerate(blocks, start=1):
        where = name if len(blocks) == 1 else f"{name}, entry {number} of {len(blocks)}"
        if not _LABELS.fullmatch(block[1]):
            faults.append(f"{where}: this is a {block[1].decode().lower()} and no certificate")
            continue
        try:
            decoded = base64.b64decode(block[2], validate=False)
        except binascii.Error:
            faults.append(f"{where}: the text between BEGIN and END is no base64")
        else:
            yield from _usable(where, decoded, faults)


def with_subject(where: str, encoded: bytes) -> str:
    """Add the subject of a certificate to its place, as far as it can be found."""
    subject = subject_text(encoded)
    return f"{where} ({subject})" if subject else where


def _usable(where: str, content: bytes, faults: list[str]) -> Iterator[tuple[str, bytes]]:
    if kind := unusable_kind(content):
        faults.append(f"{where}: {kind}")
    else:
        yield where, content


def _paths(places: Iterable[Path], faults: list[str]) -> Iterator[Path]:
    count = 0
    for place in places:
        if place.is_dir():
            below = sorted(path for path in place.rglob("*") if path.is_file())
        elif place.exists():
            below = [place]
        else:
            faults.append(f"{place.name}: there is no such file or folder")
            continue
        for path in below:
            count += 1
            if count > _MAX_FILES:
                faults.append(f"{place.name}: more than {_MAX_FILES} files, the rest is ignored")
                return
            yield path
