"""Certificates of seal signers from the operator, found by the signer identifier of a seal.

Source: BSI TR-03137-1, sections 5.3.1 and 6.5.2. A signer's certificate has the country and a common name of
two characters, which together are the signer identifier, and the certificate reference of a seal is its
serial number in hexadecimal. A seal has no room for the certificate itself.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from asn1crypto import x509

from drivers.passport.emrtd.errors import ChipError, MalformedError
from drivers.passport.emrtd.pki.certificates import Certificate, parse_errors
from drivers.passport.emrtd.pki.operator_files import encoded_objects, read_files, with_subject
from drivers.passport.emrtd.pki.trust_store import TrustStore

_JSON_SIGNING = "2.23.136.1.1.14.2"
_MAX_SIGNERS = 10_000
_MAX_REFERENCE_LENGTH = 64
_REFERENCE_BYTES = 5


@dataclass(frozen=True, slots=True)
class SealSigner:
    """A certificate with its signer identifier."""

    identifier: str
    certificate: Certificate
    reference: str
    """Last five bytes of the SHA-1 of the certificate, hexadecimal: its name in barcodes of the ICAO."""


@dataclass(frozen=True, slots=True)
class SealSignerStore:
    """Seal signers that the operator trusts.

    With `trust`, a signer counts only if a state's certificate in there signed it. Without, every signer's
    certificate is trusted directly.
    """

    signers: tuple[SealSigner, ...] = field(default=(), repr=False)
    trust: TrustStore | None = None
    faults: tuple[str, ...] = ()
    """One sentence for each unusable file, for the technician."""

    @classmethod
    def load(cls, *places: Path, trust: TrustStore | None = None) -> "SealSignerStore":
        """Load certificates, PEM or DER, from files and folders, recursively.

        A bad file is noted in `faults` and skipped.
        """
        faults: list[str] = []
        contents = [(file.name, file.content) for file in read_files(places, faults)]
        return cls._of(contents, faults, trust)

    @classmethod
    def from_bytes(cls, *contents: bytes, trust: TrustStore | None = None) -> "SealSignerStore":
        """Load certificates from memory, in PEM or DER."""
        return cls._of([(f"entry {n}", content) for n, content in enumerate(contents, start=1)], [], trust)

    @classmethod
    def _of(
        cls, contents: Iterable[tuple[str, bytes]], faults: list[str], trust: TrustStore | None
    ) -> "SealSignerStore":
        signers: dict[str, SealSigner] = {}
        for name, content in contents:
            for where, encoded in encoded_objects(name, content, faults):
                try:
                    signer = _signer(encoded)
                except ChipError as fault:
                    faults.append(f"{with_subject(where, encoded)}: {fault}")
                    continue
                if len(signers) < _MAX_SIGNERS:
                    signers[signer.certificate.sha256] = signer
                else:
                    faults.append(f"{where}: left out, there are {_MAX_SIGNERS} certificates already")
        return cls(tuple(signers.values()), trust, tuple(faults))

    @property
    def is_empty(self) -> bool:
        """True when no seal could be verified with this store."""
        return not self.signers and not (self.trust and self.trust.authorities)

    def find(self, identifier: str, reference: str) -> tuple[Certificate, ...]:
        """Find the certificates of a signer with that reference; none when it is no serial number."""
        serial = _serial(reference)
        return tuple(
            signer.certificate
            for signer in self.signers
            if signer.identifier == identifier and signer.certificate.serial_number == serial
        )

    def find_reference(self, reference: str) -> tuple[Certificate, ...]:
        """Find the certificates of a reference in a barcode of the ICAO; it is so short that several fit."""
        return tuple(signer.certificate for signer in self.signers if signer.reference == reference)

    def has(self, certificate: Certificate) -> bool:
        """Return true when the operator gave this very certificate."""
        return any(signer.certificate.sha256 == certificate.sha256 for signer in self.signers)


def may_sign_json(certificate: Certificate) -> bool:
    """Return true when the key of a certificate may sign seals in JSON; raises MalformedError.

    A state signs many certificates, and such a seal brings its own. Without this check, the key of any of its
    passport signers would be accepted (the extended key usage marks those for seals).
    """
    if certificate.purposes is None:
        raise MalformedError("the extended key usage cannot be read")
    return _JSON_SIGNING in certificate.purposes


def _serial(reference: str) -> int | None:
    try:
        return int(reference, 16) if 0 < len(reference) <= _MAX_REFERENCE_LENGTH else None
    except ValueError:
        return None


def _signer(encoded: bytes) -> SealSigner:
    certificate = Certificate.parse(encoded)
    with parse_errors("a certificate"):
        name = x509.Certificate.load(encoded, strict=True).subject.native.get("common_name")
    if not isinstance(name, str):
        raise MalformedError("a certificate has not one common name")
    reference = hashlib.sha1(encoded, usedforsecurity=False).digest()[-_REFERENCE_BYTES:].hex()
    return SealSigner(f"{certificate.country or ''}{name}".upper(), certificate, reference)
