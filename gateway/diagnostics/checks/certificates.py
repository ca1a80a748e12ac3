"""Checks of certificates: readable, matching key, issuer, lifetime."""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
)

from drivers.links.link import Action
from gateway.api.models import Finding
from gateway.config import Post
from gateway.diagnostics.findings import Severity, make_finding, make_ok_finding
from gateway.pki.keys import private_key
from gateway.pki.verify import has_issuer, is_issued_by, read_certificates

EXPIRY_WARNINGS: tuple[tuple[int, Severity], ...] = ((7, "error"), (30, "warning"), (60, "notice"))
"""Days before expiry from which on a finding has the severity."""


@dataclass(frozen=True, slots=True)
class CertificateUse:
    """A file with certificates, and its purpose."""

    purpose: str
    file: Path
    key_file: Path | None = None
    authority: Path | None = None
    """File of the issuer that the post trusts.

    A certificate that names this issuer must have a valid signature.
    """
    reload_command: str = "sudo systemctl reload borderpost"
    """Command after which the gateway reads the file again."""


def certificate_uses(post: Post) -> Iterator[CertificateUse]:
    """Yield every file with certificates that a post names."""
    for name, destination in (("broker", post.broker), ("hq", post.hq)):
        tls = destination.tls if destination is not None else None
        if tls is None:
            continue
        if tls.ca_file is not None:
            yield CertificateUse(f"the CA of [{name}]", tls.ca_file)
        if tls.cert_file is not None:
            yield CertificateUse(
                f"the gateway's certificate for [{name}]", tls.cert_file, tls.key_file, tls.ca_file
            )
    if (shown := post.console.tls) is not None:
        restart = "sudo systemctl restart borderpost"
        yield CertificateUse(
            "the console's certificate", shown.cert_file, shown.key_file, reload_command=restart
        )


def check_certificates(post: Post, now: datetime) -> Iterator[Finding]:
    """Check every file with certificates."""
    for named in certificate_uses(post):
        yield from _check_file(named, now)


def _check_file(use: CertificateUse, now: datetime) -> Iterator[Finding]:
    try:
        certificates = read_certificates(use.file)
    except (OSError, ValueError) as error:
        why = (
            error.strerror if isinstance(error, OSError) and error.strerror else "it is not a PEM certificate"
        )
        yield _unusable(use, use.file, why)
        return
    # One valid authority out of several is sufficient.
    yield check_lifetime(
        use.purpose, max(certificates, key=lambda it: it.not_valid_after_utc), now, _replace(use)
    )
    if use.authority is not None:
        yield from _check_issuer(use, certificates[0], use.authority)
    if use.key_file is not None:
        yield from _check_key(use, use.key_file, certificates[0])


def _check_issuer(use: CertificateUse, certificate: x509.Certificate, authority: Path) -> Iterator[Finding]:
    """Check the signature of the issuer.

    A broker may trust its clients by another CA, which is not on this machine.
    """
    try:
        trusted = read_certificates(authority)
    except (OSError, ValueError):
        return  # This has a finding of its own.
    alleged = [issuer for issuer in trusted if has_issuer(certificate, issuer)]
    if alleged and not any(is_issued_by(certificate, issuer) for issuer in alleged):
        yield make_finding(
            "certificate_wrong_issuer",
            "error",
            "certificates",
            f"{use.file}, {use.purpose}, was changed: the signature of its issuer is invalid.",
            Action.CALL_SUPPORT,
            f"Find out who had access to that file. {_replace(use)}",
        )


def _check_key(use: CertificateUse, file: Path, certificate: x509.Certificate) -> Iterator[Finding]:
    try:
        key = private_key(file.read_bytes())
    except (OSError, ValueError, TypeError) as error:
        why = (
            error.strerror
            if isinstance(error, OSError) and error.strerror
            else "it is not a key without a password"
        )
        yield _unusable(use, file, why)
        return
    ours, theirs = (
        it.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        for it in (key.public_key(), certificate.public_key())
    )
    if ours != theirs:
        yield make_finding(
            "key_mismatch",
            "error",
            "certificates",
            f"The key in {file} does not belong to {use.purpose}, {use.file}. No TLS connection is possible.",
            Action.CONFIGURE,
            f"Replace the key by the one that the certificate was issued for, then: {use.reload_command}",
        )


def check_lifetime(subject: str, certificate: x509.Certificate, now: datetime, how: str) -> Finding:
    """Return a finding about the remaining lifetime of a certificate."""
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    days = (ends - now).days
    name = subject[0].upper() + subject[1:]
    if now < begins:
        return make_finding(
            "certificate_not_yet_valid",
            "error",
            "certificates",
            f"{name} is valid from {begins:%Y-%m-%d} on, and this machine's clock shows {now:%Y-%m-%d}.",
            Action.CONFIGURE,
            f"The clock is probably wrong: timedatectl; set it: {set_clock_command()}",
        )
    if now > ends:
        return make_finding(
            "certificate_expired",
            "error",
            "certificates",
            f"{name} expired on {ends:%Y-%m-%d}.",
            Action.CALL_SUPPORT,
            how,
        )
    if (severity := expiry_severity(days)) is not None:
        return make_finding(
            "certificate_expires_soon",
            severity,
            "certificates",
            f"{name} expires on {ends:%Y-%m-%d}, in {days} days.",
            Action.CALL_SUPPORT,
            how,
        )
    return make_ok_finding(
        "certificate_expires_soon", "certificates", f"{name} is valid until {ends:%Y-%m-%d}."
    )


def expiry_severity(days: int) -> Severity | None:
    """Return the severity of an expiry in so many days; None while it is too early for a warning."""
    return next((severity for limit, severity in EXPIRY_WARNINGS if days < limit), None)


def set_clock_command() -> str:
    """Return the command that sets the clock by hand."""
    return "sudo timedatectl set-ntp false && sudo timedatectl set-time 'YYYY-MM-DD HH:MM:SS'"


def certificate_from_der(der: bytes) -> x509.Certificate:
    """Return the certificate that a peer presented, from its DER."""
    return x509.load_pem_x509_certificate(ssl.DER_cert_to_PEM_cert(der).encode())


def _replace(use: CertificateUse) -> str:
    return f"Request a new certificate, replace {use.file} by it, then: {use.reload_command}"


def _unusable(use: CertificateUse, file: Path, reason: str) -> Finding:
    return make_finding(
        "certificate_unusable",
        "error",
        "certificates",
        f"{file}, {use.purpose}, cannot be used: {reason}.",
        Action.CONFIGURE,
        f"sudo chown root:borderpost {file} && sudo chmod 640 {file}; or correct the path in the post's file",
    )
