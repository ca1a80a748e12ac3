"""Verification of issued certificates and files: each changed one is reported by its file."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

from gateway.pki.inventory import AUTHORITY, AUTHORITY_KEY, BROKER, Deployment
from gateway.pki.keys import private_key
from gateway.pki.store import CertificateRecord, CertificateStore, derived_files, is_readable_by_others

_UNREADABLE = (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)


@dataclass(frozen=True, slots=True)
class CertificateIssue:
    """One problem in the directory of an authority."""

    file: Path
    name: str | None
    """Principal of the file, if any: `borderpost trust renew` repairs it."""
    text: str


def read_certificates(file: Path) -> list[x509.Certificate]:
    """Read a file of PEM certificates, their names and times at least; raises OSError, ValueError."""
    try:
        certificates = x509.load_pem_x509_certificates(file.read_bytes())
        # Other fields are parsed only on access.
        for it in certificates:
            _ = (it.subject, it.issuer, it.not_valid_before_utc, it.not_valid_after_utc)
    except (x509.InvalidVersion, UnsupportedAlgorithm) as error:
        raise ValueError(str(error)) from None
    return certificates


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Tell whether a certificate is signed with the issuer's key."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def has_issuer(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Tell whether a certificate names this issuer, by name or by its key's identifier."""
    if certificate.issuer == issuer.subject:
        return True
    try:
        named = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
        own = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except (ValueError, *_UNREADABLE):
        return False
    return named.key_identifier == own.digest


def find_issues(folder: CertificateStore, deployment: Deployment | None = None) -> Iterator[CertificateIssue]:
    """Yield all differences from what `init` and `renew` wrote; with a deployment, also from its files."""
    try:
        authority = read_certificates(folder.path / AUTHORITY)[0]
    except (OSError, ValueError) as error:
        yield CertificateIssue(folder.path / AUTHORITY, None, _unusable(error))
        return
    if not is_issued_by(authority, authority):
        yield CertificateIssue(folder.path / AUTHORITY, None, "was changed: its own signature does not fit")
        return
    key = folder.path / AUTHORITY_KEY
    if key.exists() and is_readable_by_others(key):
        yield CertificateIssue(
            key, None, "can be read by others: whoever has it can take any name at the broker"
        )
    for name, entry in folder.current_certificates().items():
        if entry.revoked is None:
            yield from _certificate(folder.path / name, entry, authority)
            if (given := folder.path / name / AUTHORITY).exists() and given.read_bytes() != _bytes(folder):
                yield CertificateIssue(given, name, "is not the certificate of this authority")
    yield from _revocations(folder, authority)
    if deployment is not None:
        for file, text in derived_files(deployment, folder):
            written = folder.path / file
            if not written.exists() or written.read_text("utf-8", "replace") != text:
                yield CertificateIssue(
                    written, None, "differs from the description; `borderpost trust renew` writes it"
                )


def _certificate(
    home: Path, entry: CertificateRecord, authority: x509.Certificate
) -> Iterator[CertificateIssue]:
    file, secret = home / f"{entry.name}.crt", home / f"{entry.name}.key"
    try:
        certificate = read_certificates(file)[0]
        named = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except (OSError, ValueError) as error:
        yield CertificateIssue(file, entry.name, _unusable(error))
        return
    if not is_issued_by(certificate, authority):
        yield CertificateIssue(
            file, entry.name, "was changed, or another authority made it: the signature does not fit"
        )
    elif [it.value for it in named] != [entry.name]:
        yield CertificateIssue(
            file, entry.name, f"belongs to another principal: it is not the certificate of {entry.name}"
        )
    elif certificate.fingerprint(SHA256()).hex() != entry.fingerprint:
        yield CertificateIssue(file, entry.name, "is not the certificate that was issued last")
    try:
        key = private_key(secret.read_bytes())
    except PermissionError:
        return  # without the right to read it, all other files can still be checked
    except FileNotFoundError:
        return  # copied to its owner's machine, as intended
    except (ValueError, TypeError, UnsupportedAlgorithm):
        yield CertificateIssue(secret, entry.name, "is no private key")
        return
    try:
        fits = key.public_key() == certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return  # reported for the certificate itself
    if not fits:
        yield CertificateIssue(secret, entry.name, "is not the key of the certificate beside it")
    if is_readable_by_others(secret):
        yield CertificateIssue(secret, entry.name, "can be read by others")


def _revocations(folder: CertificateStore, authority: x509.Certificate) -> Iterator[CertificateIssue]:
    file = folder.path / BROKER / "crl.pem"
    try:
        listed = x509.load_pem_x509_crl(file.read_bytes())
        genuine = listed.is_signature_valid(authority.public_key())  # type: ignore[arg-type]
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        yield CertificateIssue(file, None, _unusable(error))
        return
    if not genuine:
        yield CertificateIssue(file, None, "was changed: the authority's signature does not fit")
        return
    for entry in folder.certificates:
        if entry.revoked and listed.get_revoked_certificate_by_serial_number(entry.serial) is None:
            yield CertificateIssue(file, None, f"lacks a certificate of {entry.name} that is revoked")


def _bytes(folder: CertificateStore) -> bytes:
    return (folder.path / AUTHORITY).read_bytes()


def _unusable(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read: {error.strerror}"
    return "was changed: it is no certificate any more"


def unusable_names(folder: CertificateStore) -> set[str]:
    """Return the principals whose certificate or key is unusable."""
    return {flaw.name for flaw in find_issues(folder) if flaw.name is not None}
