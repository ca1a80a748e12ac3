"""Check of the post's certificate authority, if its folder is on this machine: issuers and lifetimes."""

from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256

from drivers.links.link import Action
from gateway.api.models import Finding
from gateway.config import Post
from gateway.diagnostics.checks.certificates import certificate_uses, check_lifetime
from gateway.diagnostics.findings import make_finding, make_ok_finding
from gateway.pki.inventory import AUTHORITY, AUTHORITY_KEY, Deployment
from gateway.pki.store import CertificateStore, StoreNotFoundError
from gateway.pki.verify import find_issues, read_certificates

RENEW = "sudo borderpost trust renew, then copy the new files to that machine"


def ca_dir_beside(config: Path) -> Path:
    """Return the folder of the post's certificate authority, if it is on this machine."""
    return config.absolute().parent / "authority"


def check_ca(config: Path, post: Post, now: datetime) -> Iterator[Finding]:
    """Check the certificate authority beside a post's file; yields nothing if there is none."""
    place = ca_dir_beside(config)
    try:
        if not place.is_dir():
            return
        folder = CertificateStore.open(place)
        yield from check_ca_dir(folder, now, reported=_fingerprints(post))
    except StoreNotFoundError as error:
        yield _changed(str(error))
    except PermissionError:
        yield make_finding(
            "trust_unreadable",
            "notice",
            "certificates",
            f"This user may not read the certificate authority in {place}: its certificates are not checked.",
            Action.NONE,
            "sudo borderpost trust show",
        )


def check_ca_dir(
    folder: CertificateStore,
    now: datetime,
    deployment: Deployment | None = None,
    reported: Collection[str] = (),
) -> Iterator[Finding]:
    """Check all certificates of an authority, except those already `reported` by the post's findings.

    Raises PermissionError.
    """
    wrong = list(find_issues(folder, deployment))
    for flaw in wrong:
        yield _changed(f"{flaw.file} {flaw.text}")
    if not wrong:
        yield make_ok_finding(
            "certificate_wrong_issuer",
            "certificates",
            f"All certificates in {folder.path} have valid signatures.",
        )
    yield _check_key(folder)
    unusable = {flaw.file for flaw in wrong}
    of_all = [(AUTHORITY, "the post's certificate authority")]
    of_all += [
        (f"{name}/{name}.crt", f"the certificate of {name}")
        for name, entry in folder.current_certificates().items()
        if entry.revoked is None and entry.fingerprint not in reported
    ]
    for file, what in of_all:
        if folder.path / file not in unusable:
            yield check_lifetime(what, read_certificates(folder.path / file)[0], now, RENEW)


def _check_key(folder: CertificateStore) -> Finding:
    if not (folder.path / AUTHORITY_KEY).exists() or folder.is_key_encrypted:
        return make_ok_finding(
            "authority_key_unencrypted",
            "certificates",
            "The authority's key is encrypted, or kept elsewhere.",
        )
    return make_finding(
        "authority_key_unencrypted",
        "warning",
        "certificates",
        f"{folder.path / AUTHORITY_KEY} is not encrypted: whoever gets this disk, or a backup of it, can "
        "issue certificates for any name at the broker.",
        Action.CONFIGURE,
        "sudo borderpost trust passphrase",
    )


def _fingerprints(post: Post) -> set[str]:
    """Return the fingerprint of every readable certificate that the post's own file names."""
    fingerprints = set()
    for named in certificate_uses(post):
        try:
            certificates = read_certificates(named.file)
        except (OSError, ValueError):
            continue
        fingerprints |= {certificate.fingerprint(SHA256()).hex() for certificate in certificates}
    return fingerprints


def _changed(text: str) -> Finding:
    return make_finding(
        "certificate_wrong_issuer",
        "error",
        "certificates",
        f"{text}.",
        Action.CONFIGURE,
        "Find out who had access to that file; then: sudo borderpost trust renew",
    )
