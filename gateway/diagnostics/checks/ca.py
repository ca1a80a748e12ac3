"""A post's own authority, where its folder is on this machine: what it issued is genuine, and in force."""

from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256

from drivers.links.link import Action
from gateway.api.models import Finding
from gateway.config import Post
from gateway.diagnostics.checks.certificates import certificates_of, lifetime
from gateway.diagnostics.findings import found, well
from gateway.pki.inventory import AUTHORITY, Hall
from gateway.pki.store import NoFolderError, TrustFolder
from gateway.pki.verify import flaws, read_certificates

RENEW = "sudo borderpost trust renew, and take the new files to that machine"


def folder_beside(config: Path) -> Path:
    """Where a post's authority is kept, if it is on this machine."""
    return config.absolute().parent / "authority"


def look_at_authority(config: Path, post: Post, now: datetime) -> Iterator[Finding]:
    """Look at the authority beside a post's file; nothing where there is none."""
    place = folder_beside(config)
    try:
        if not place.is_dir():
            return
        folder = TrustFolder.open(place)
        yield from look_at_folder(folder, now, told=_fingerprints(post))
    except NoFolderError as error:
        yield _changed(str(error))
    except PermissionError:
        yield found(
            "trust_unreadable",
            "notice",
            "certificates",
            f"The authority in {place} cannot be looked at by this user.",
            Action.NONE,
            "sudo borderpost trust show",
        )


def look_at_folder(
    folder: TrustFolder, now: datetime, hall: Hall | None = None, told: Collection[str] = ()
) -> Iterator[Finding]:
    """Look at all that an authority has issued, but what the post's own findings have `told` of already.

    Raises PermissionError.
    """
    wrong = list(flaws(folder, hall))
    for flaw in wrong:
        yield _changed(f"{flaw.file} {flaw.text}")
    if not wrong:
        yield well(
            "certificate_forged", "certificates", f"All that {folder.path} issued is as it was issued."
        )
    unusable = {flaw.file for flaw in wrong}
    of_all = [(AUTHORITY, "the post's own authority")]
    of_all += [
        (f"{name}/{name}.crt", f"the certificate of {name}")
        for name, entry in folder.latest().items()
        if entry.revoked is None and entry.fingerprint not in told
    ]
    for file, what in of_all:
        if folder.path / file not in unusable:
            yield lifetime(what, read_certificates(folder.path / file)[0], now, RENEW)


def _fingerprints(post: Post) -> set[str]:
    """Of every certificate that the post's own file names, as far as it can be read."""
    seen = set()
    for named in certificates_of(post):
        try:
            certificates = read_certificates(named.file)
        except (OSError, ValueError):
            continue
        seen |= {certificate.fingerprint(SHA256()).hex() for certificate in certificates}
    return seen


def _changed(text: str) -> Finding:
    return found(
        "certificate_forged",
        "error",
        "certificates",
        f"{text}.",
        Action.CONFIGURE,
        "Find out who was at that file; then: sudo borderpost trust renew",
    )
