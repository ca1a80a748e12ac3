"""Certificates: fitting their keys, and not about to run out."""

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
from gateway.diagnostics.findings import Severity, found, well
from gateway.pki.keys import private_key
from gateway.pki.verify import claims_to_be_by, issued_by, read_certificates

AHEAD: tuple[tuple[int, Severity], ...] = ((7, "error"), (30, "warning"), (60, "notice"))
"""From so many days before the end on, it is so bad."""


@dataclass(frozen=True, slots=True)
class Named:
    """A file with certificates, and what it is for."""

    what: str
    file: Path
    key_file: Path | None = None
    authority: Path | None = None
    """Whom the post trusts there: a certificate that says to be by one of those has to be."""
    taken_over: str = "sudo systemctl reload borderpost"
    """How the gateway is made to read it anew."""


def certificates_of(post: Post) -> Iterator[Named]:
    """Every file with certificates that a post names."""
    for name, destination in (("broker", post.broker), ("hq", post.hq)):
        tls = destination.tls if destination is not None else None
        if tls is None:
            continue
        if tls.ca_file is not None:
            yield Named(f"the authority of [{name}]", tls.ca_file)
        if tls.cert_file is not None:
            yield Named(f"the gateway's certificate for [{name}]", tls.cert_file, tls.key_file, tls.ca_file)
    if (shown := post.console.tls) is not None:
        restart = "sudo systemctl restart borderpost"
        yield Named("the console's certificate", shown.cert_file, shown.key_file, taken_over=restart)


def look_at_certificates(post: Post, now: datetime) -> Iterator[Finding]:
    """Look at every file with certificates."""
    for named in certificates_of(post):
        yield from _look(named, now)


def _look(named: Named, now: datetime) -> Iterator[Finding]:
    try:
        certificates = read_certificates(named.file)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "it is no PEM certificate"
        yield _unusable(named, named.file, why)
        return
    # Of several authorities one that is in force is enough.
    yield lifetime(named.what, max(certificates, key=lambda it: it.not_valid_after_utc), now, _replace(named))
    if named.authority is not None:
        yield from _genuine(named, certificates[0], named.authority)
    if named.key_file is not None:
        yield from _key(named, named.key_file, certificates[0])


def _genuine(named: Named, certificate: x509.Certificate, authority: Path) -> Iterator[Finding]:
    """A broker may know its clients by another authority than its own; that one is not here to be asked."""
    try:
        trusted = read_certificates(authority)
    except (OSError, ValueError):
        return  # a finding of its own
    alleged = [issuer for issuer in trusted if claims_to_be_by(certificate, issuer)]
    if alleged and not any(issued_by(certificate, issuer) for issuer in alleged):
        yield found(
            "certificate_forged",
            "error",
            "certificates",
            f"{named.file}, {named.what}, was changed: the signature of its authority does not fit.",
            Action.CALL,
            f"Find out who was at that file. {_replace(named)}",
        )


def _key(named: Named, file: Path, certificate: x509.Certificate) -> Iterator[Finding]:
    try:
        key = private_key(file.read_bytes())
    except (OSError, ValueError, TypeError) as error:
        why = (
            error.strerror
            if isinstance(error, OSError) and error.strerror
            else "it is no key without a password"
        )
        yield _unusable(named, file, why)
        return
    ours, theirs = (
        it.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        for it in (key.public_key(), certificate.public_key())
    )
    if ours != theirs:
        yield found(
            "key_mismatch",
            "error",
            "certificates",
            f"The key in {file} does not belong to {named.what}, {named.file}.",
            Action.CONFIGURE,
            f"Put the key beside it that it was issued for, then: {named.taken_over}",
        )


def lifetime(what: str, certificate: x509.Certificate, now: datetime, how: str) -> Finding:
    """How much longer a certificate is in force."""
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    days = (ends - now).days
    name = what[0].upper() + what[1:]
    if now < begins:
        return found(
            "certificate_early",
            "error",
            "certificates",
            f"{name} is in force from {begins:%Y-%m-%d} on, and this machine's clock says {now:%Y-%m-%d}.",
            Action.CONFIGURE,
            f"The clock is most likely wrong: timedatectl; set it: {set_clock()}",
        )
    if now > ends:
        return found(
            "certificate_expired",
            "error",
            "certificates",
            f"{name} expired on {ends:%Y-%m-%d}.",
            Action.CALL,
            how,
        )
    if (severity := ahead(days)) is not None:
        return found(
            "certificate_expires",
            severity,
            "certificates",
            f"{name} expires on {ends:%Y-%m-%d}, in {days} days.",
            Action.CALL,
            how,
        )
    return well("certificate_expires", "certificates", f"{name} is in force until {ends:%Y-%m-%d}.")


def ahead(days: int) -> Severity | None:
    """How bad it is that something ends in so many days; None: not yet."""
    return next((severity for limit, severity in AHEAD if days < limit), None)


def set_clock() -> str:
    """How a clock is set by hand."""
    return "sudo timedatectl set-ntp false && sudo timedatectl set-time 'YYYY-MM-DD HH:MM:SS'"


def issued_from(der: bytes) -> x509.Certificate:
    """The certificate that a peer showed, from its DER."""
    return x509.load_pem_x509_certificate(ssl.DER_cert_to_PEM_cert(der).encode())


def _replace(named: Named) -> str:
    return f"Have a new one issued, put it in place of {named.file}, then: {named.taken_over}"


def _unusable(named: Named, file: Path, why: str) -> Finding:
    return found(
        "certificate_unusable",
        "error",
        "certificates",
        f"{file}, {named.what}, cannot be used: {why}.",
        Action.CONFIGURE,
        f"sudo chown root:borderpost {file} && sudo chmod 640 {file}; or correct the path in the post's file",
    )
