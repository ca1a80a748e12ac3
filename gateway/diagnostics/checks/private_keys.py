"""Check of private keys of certificates and signatures: those that whoever takes the disk can use."""

from collections.abc import Iterator
from pathlib import Path

from drivers.links.link import Action
from gateway.api.models import Finding
from gateway.config import Post
from gateway.diagnostics.checks.certificates import certificate_uses
from gateway.diagnostics.findings import make_finding, make_ok_finding

CODE = "private_key_on_disk"
CREDENTIALS = Path("/run")
"""Credentials of systemd are in memory there; they may be sealed by a TPM 2 on disk."""


def check_private_keys(post: Post) -> Iterator[Finding]:
    """Name the private keys that are files on a disk; yields nothing for a post without any key."""
    named = [use.key_file for use in certificate_uses(post) if use.key_file is not None]
    if post.gateway.signing_key is not None:
        named.append(post.gateway.signing_key)
    on_disk = [str(file) for file in dict.fromkeys(named) if CREDENTIALS not in file.parents]
    if on_disk:
        yield make_finding(
            CODE,
            "notice",
            "certificates",
            f"Not sealed by a TPM 2: {', '.join(on_disk)}. Whoever takes the disk can connect and sign as "
            "this gateway, until that is revoked.",
            Action.NONE,
            "Encrypt the disk, or give the signing key as a systemd credential (signing_credential). If the "
            "machine is stolen: borderpost trust revoke, and remove its public key wherever events are "
            "verified.",
        )
    elif named or post.gateway.signing_credential is not None:
        yield make_ok_finding(CODE, "certificates", "No private key is a file on a disk.")
