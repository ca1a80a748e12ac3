"""Trust store of the operator: state certificates (CSCA), revocation lists, and signers' certificates.

Source: ICAO Doc 9303-12, section 9 (master lists) and section 7.1.4 (revocation lists). Nothing is fetched:
the operator gives files and folders, as PEM, DER, or master lists of ICAO, BSI and others.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from drivers.passport.emrtd.encoding import der, tlv
from drivers.passport.emrtd.errors import ChipError, MalformedError
from drivers.passport.emrtd.pki.certificates import Certificate, RevocationList
from drivers.passport.emrtd.pki.signed_data import SignedData

MASTER_LIST = "2.23.136.1.1.2"
_SIGNED_DATA = "1.2.840.113549.1.7.2"
_MAX_FILE_BYTES = 32 * 1024 * 1024
_MAX_FILES = 10_000
_MAX_CERTIFICATES = 20_000
_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s([A-Za-z0-9+/=\s]+)-----END \1-----")


@dataclass(frozen=True, slots=True)
class TrustStore:
    """Loaded certificates and lists, and the faults of unusable ones."""

    authorities: tuple[Certificate, ...] = field(default=(), repr=False)
    signers: tuple[Certificate, ...] = field(default=(), repr=False)
    """Document signers, for security objects without their signer's certificate."""
    revocation_lists: tuple[RevocationList, ...] = field(default=(), repr=False)
    faults: tuple[str, ...] = ()
    """One sentence for each unusable file or entry, for the technician."""

    @classmethod
    def load(cls, *places: Path) -> "TrustStore":
        """Load files and folders, recursively.

        A bad file is noted in `faults` and skipped: one wrong certificate of a state must not close a border.
        A path that does not exist is a fault too.
        """
        found = _TrustStoreBuilder()
        for path in _files(places, found.faults):
            try:
                if path.stat().st_size > _MAX_FILE_BYTES:
                    raise MalformedError("the file is larger than any such file")
                found.take_file(path.name, path.read_bytes())
            except (OSError, ChipError) as fault:
                reason = fault.strerror if isinstance(fault, OSError) else str(fault)
                found.faults.append(f"{path.name}: {reason}")
        return found.store()

    @classmethod
    def from_bytes(cls, *contents: bytes) -> "TrustStore":
        """Load certificates, lists and master lists from memory, in PEM or DER."""
        found = _TrustStoreBuilder()
        for number, content in enumerate(contents, start=1):
            try:
                found.take_file(f"entry {number}", content)
            except ChipError as fault:
                found.faults.append(f"entry {number}: {fault}")
        return found.store()

    def authorities_of(self, certificate: Certificate) -> tuple[Certificate, ...]:
        """Return the state certificates that this certificate names as its issuer."""
        return tuple(a for a in self.authorities if certificate.names_as_issuer(a))

    def lists_of(self, authority: Certificate) -> tuple[RevocationList, ...]:
        """Return the revocation lists that name that authority as their issuer, latest first."""
        lists = [known for known in self.revocation_lists if known.is_of(authority)]
        return tuple(sorted(lists, key=lambda known: known.issued_at, reverse=True))


class _TrustStoreBuilder:
    """Content loaded so far, each certificate once."""

    def __init__(self) -> None:
        self.certificates: dict[str, Certificate] = {}
        self.lists: list[RevocationList] = []
        self.faults: list[str] = []

    def store(self) -> TrustStore:
        authorities = [c for c in self.certificates.values() if _is_authority(c)]
        signers = [c for c in self.certificates.values() if not _is_authority(c)]
        return TrustStore(tuple(authorities), tuple(signers), tuple(self.lists), tuple(self.faults))

    def take_file(self, name: str, content: bytes) -> None:
        blocks = list(_PEM.finditer(content))
        if not blocks:
            self.take(name, content)
        for block in blocks:
            try:
                self.take(name, base64.b64decode(block[2], validate=False))
            except (ChipError, binascii.Error) as fault:
                self.faults.append(f"{name}: {fault}")

    def take(self, name: str, content: bytes) -> None:
        """Detect the type of a file by its structure."""
        first = der.elements(tlv.parse_whole(content, der.SEQUENCE), 1)[0]
        if first.tag == der.OID and der.oid(first.value) == _SIGNED_DATA:
            self.take_master_list(name, content)
            return
        # The body of a list has its time in the open, that of a certificate inside its validity.
        body = der.elements(der.expect(first, der.SEQUENCE), 3)
        if any(item.tag in _TIMES for item in body):
            self.lists.append(RevocationList.parse(content))
        else:
            self.add(Certificate.parse(content))

    def take_master_list(self, name: str, content: bytes) -> None:
        """Load the certificates of a master list, if its signature is valid.

        The operator trusts the list by configuring it; the signature shows that it is unaltered.
        """
        signed = SignedData.parse(content)
        if signed.content_type != MASTER_LIST:
            raise MalformedError("the signed data is no master list")
        if not any(signed.is_signer(c) and signed.signed_by(c) for c in signed.certificates):
            raise MalformedError("the signature of the master list is wrong")
        _, certificates, *_ = der.sequence(signed.content, least=2)
        entries = tlv.children(der.expect(certificates, der.SET), _MAX_CERTIFICATES)
        for number, entry in enumerate(entries, start=1):
            try:
                self.add(Certificate.parse(tlv.encode(entry.tag, entry.value)))
            except ChipError as fault:
                self.faults.append(f"{name}, certificate {number}: {fault}")

    def add(self, certificate: Certificate) -> None:
        if len(self.certificates) >= _MAX_CERTIFICATES:
            raise MalformedError("there are more certificates than states have")
        self.certificates[certificate.sha256] = certificate


_TIMES = frozenset({0x17, 0x18})


def _is_authority(certificate: Certificate) -> bool:
    """Distinguish a state's certificate from a signer's: by key usage, or for old ones by self-signature."""
    return certificate.may_sign_certificates or certificate.issuer == certificate.subject


def _files(places: Iterable[Path], faults: list[str]) -> Iterator[Path]:
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
