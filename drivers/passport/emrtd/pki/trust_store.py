"""Trust store of the operator: state certificates (CSCA), revocation lists, and signers' certificates.

Source: ICAO Doc 9303-12, section 9 (master lists) and section 7.1.4 (revocation lists). Nothing is fetched:
the operator gives files and folders, as PEM, DER, or master lists of ICAO, BSI and others.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from drivers.passport.emrtd.crypto.public_keys import RsaKey
from drivers.passport.emrtd.encoding import der, tlv
from drivers.passport.emrtd.errors import ChipError, MalformedError
from drivers.passport.emrtd.pki.certificates import Certificate, RevocationList
from drivers.passport.emrtd.pki.operator_files import encoded_objects, read_files, with_subject
from drivers.passport.emrtd.pki.signed_data import SignedData

MASTER_LIST = "2.23.136.1.1.2"
_SIGNED_DATA = "1.2.840.113549.1.7.2"
_MAX_CERTIFICATES = 20_000
_TIMES = frozenset({0x17, 0x18})


@dataclass(frozen=True, slots=True)
class TrustStore:
    """Loaded certificates and lists, and the faults of unusable ones."""

    authorities: tuple[Certificate, ...] = field(default=(), repr=False)
    signers: tuple[Certificate, ...] = field(default=(), repr=False)
    """Document signers, for security objects without their signer's certificate."""
    revocation_lists: tuple[RevocationList, ...] = field(default=(), repr=False)
    faults: tuple[str, ...] = ()
    """One sentence for each unusable file or entry, for the technician."""
    notes: tuple[str, ...] = ()
    """One sentence for each certificate or list that deviates from the standard and is used nevertheless."""

    @classmethod
    def load(cls, *places: Path) -> "TrustStore":
        """Load files and folders, recursively; a bad file or entry is noted in `faults` and skipped."""
        found = _TrustStoreBuilder()
        for file in read_files(places, found.faults):
            found.take_file(file.name, file.content)
        return found.store()

    @classmethod
    def from_bytes(cls, *contents: bytes) -> "TrustStore":
        """Load certificates, lists and master lists from memory, in PEM or DER."""
        found = _TrustStoreBuilder()
        for number, content in enumerate(contents, start=1):
            found.take_file(f"entry {number}", content)
        return found.store()

    def authorities_of(self, certificate: Certificate) -> tuple[Certificate, ...]:
        """Return the state certificates that this certificate names as its issuer.

        A wrong key identifier on either side does not hide the issuer: one of the same name follows when its
        key verifies the signature.
        """
        named = [known for known in self.authorities if certificate.names_as_issuer(known)]
        return (
            *named,
            *(
                known
                for known in self.authorities
                if known not in named
                and certificate.issuer == known.subject
                and _verified(certificate, known)
            ),
        )

    def lists_of(self, authority: Certificate) -> tuple[RevocationList, ...]:
        """Return the revocation lists of that authority, latest first; found as in `authorities_of`."""
        lists = [
            known
            for known in self.revocation_lists
            if known.is_of(authority) or (known.issuer == authority.subject and _verified(known, authority))
        ]
        return tuple(sorted(lists, key=lambda known: known.issued_at, reverse=True))


class _TrustStoreBuilder:
    """Content loaded so far, each certificate once."""

    def __init__(self) -> None:
        self.certificates: dict[str, Certificate] = {}
        self.lists: list[RevocationList] = []
        self.faults: list[str] = []
        self.notes: list[str] = []

    def store(self) -> TrustStore:
        authorities = [c for c in self.certificates.values() if _is_authority(c)]
        signers = [c for c in self.certificates.values() if not _is_authority(c)]
        return TrustStore(
            tuple(authorities), tuple(signers), tuple(self.lists), tuple(self.faults), tuple(self.notes)
        )

    def take_file(self, name: str, content: bytes) -> None:
        """Load a file; every part that cannot be used becomes a fault."""
        for where, encoded in encoded_objects(name, content, self.faults):
            try:
                self.take(where, encoded)
            except ChipError as fault:
                self.faults.append(f"{with_subject(where, encoded)}: {fault}")

    def take(self, name: str, content: bytes) -> None:
        """Detect the type of a file by its structure."""
        first = der.elements(tlv.parse_whole(content, der.SEQUENCE), 1)[0]
        if first.tag == der.OID and der.oid(first.value) == _SIGNED_DATA:
            self.take_master_list(name, content)
            return
        # The body of a list has its time in the open, that of a certificate inside its validity.
        body = der.elements(der.expect(first, der.SEQUENCE), 3)
        if any(item.tag in _TIMES for item in body):
            known = RevocationList.parse(content)
            self.lists.append(known)
            self._note(name, known.defects)
        else:
            self.add(name, Certificate.parse(content))

    def take_master_list(self, name: str, content: bytes) -> None:
        """Load the certificates of a master list, if its signature is valid.

        The operator trusts the list by configuring it; the signature shows that it is unaltered.
        """
        signed = SignedData.parse(content)
        if signed.content_type != MASTER_LIST:
            raise MalformedError("the signed data is no master list")
        # By any certificate inside: no identifier is needed to show that nothing is altered.
        if not any(_verified(signed, certificate) for certificate in signed.certificates):
            raise MalformedError("the signature of the master list is wrong")
        _, certificates, *_ = der.sequence(signed.content, least=2)
        entries = tlv.children(der.expect(certificates, der.SET), _MAX_CERTIFICATES)
        for number, entry in enumerate(entries, start=1):
            encoded = tlv.encode(entry.tag, entry.value)
            where = f"{name}, certificate {number} of {len(entries)}"
            try:
                self.add(where, Certificate.parse(encoded))
            except ChipError as fault:
                self.faults.append(f"{with_subject(where, encoded)}: {fault}")

    def add(self, name: str, certificate: Certificate) -> None:
        if len(self.certificates) >= _MAX_CERTIFICATES:
            raise MalformedError("there are more certificates than states have")
        if certificate.sha256 in self.certificates:
            return
        self.certificates[certificate.sha256] = certificate
        where = f"{name} ({certificate.subject_text})" if certificate.subject_text else name
        self._note(where, certificate.defects)
        self._note_key(where, certificate)

    def _note(self, where: str, defects: Iterable[str]) -> None:
        self.notes.extend(f"{where}: {defect} cannot be read and is not used" for defect in defects)

    def _note_key(self, where: str, certificate: Certificate) -> None:
        """Note a key that verifies nothing, and one that is not encoded as it should be."""
        try:
            key = certificate.public_key()
        except ChipError as fault:
            self.notes.append(f"{where}: {fault}, so it verifies no signature")
            return
        if isinstance(key, RsaKey) and key.negative_as_written:
            self.notes.append(
                f"{where}: the RSA modulus is written as a negative number, read as a positive one"
            )


def _verified(signed: Certificate | RevocationList | SignedData, authority: Certificate) -> bool:
    try:
        return signed.signed_by(authority)
    except ChipError:
        return False


def _is_authority(certificate: Certificate) -> bool:
    """Distinguish a state's certificate from a signer's: by key usage, or for old ones by self-signature."""
    return certificate.may_sign_certificates or certificate.issuer == certificate.subject
