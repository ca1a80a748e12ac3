"""Signatures, the audit's hash chain, and a deployment's authority."""

import json
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from fuzz.target import held, target
from fuzz.targets.files import WORDS, explained
from gateway.audit.hash_chain import AUDIT_FILE, CHAIN_HEAD_FILE
from gateway.audit.verify import verify
from gateway.audit.writer import AuditRecord, AuditWriter
from gateway.client.models import DiscardCounts
from gateway.client.verification import SignatureVerifier
from gateway.config import ConfigError
from gateway.contract.topics import Position
from gateway.pki.inventory import load_deployment
from gateway.pki.jws import Signer, Verifier
from gateway.pki.keys import UnusableKeyError, load_public_key, load_signing_key
from gateway.pki.store import INDEX, CertificateStore, StoreNotFoundError

ROOT = Path(__file__).parents[3]
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SIGNER, VERIFIER = Signer(KEY), Verifier([KEY.public_key()])
AT = "2026-11-28T08:15:30.000000Z"


@cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp())
    held.callback(_folder.cache_clear)
    held.callback(shutil.rmtree, folder)
    return folder


def _emptied(name: str) -> Path:
    folder = _folder() / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


EVENT = b'{"source":"/bgw/uto-test/gw-1/lane-1/reader","id":"01938f3e-7c1a-7b5e-9d55-000000000001","data":[]}'


@target(
    seeds=(SIGNER.sign(EVENT).encode() + b"\n" + EVENT, b"e30..AAAA\n{}"),
    words=(b"..", SIGNER.sign(b"").encode()[:80]),
)
def signed_events(data: bytes) -> None:
    """Verify a signature in a user property, and an event; only ours is accepted."""
    jws, _, payload = data.partition(b"\n")
    refused_events: list[Any] = []
    keys = {"uto-test/gw-1": [KEY.public_key()]}
    vouching = SignatureVerifier(keys, "uto-test", DiscardCounts(), refused_events.append)
    text = jws.decode("utf-8", "replace")
    for one in (text, SIGNER.sign(payload)):
        vouching.verify_event(Position("lane-1", "reader"), payload, one)
    for refused in refused_events:
        assert refused.text.isprintable()
        assert len(refused.text) < 200


@cache
def _audit() -> tuple[bytes, bytes]:
    folder = Path(tempfile.mkdtemp())
    log = AuditWriter(folder, "_gw/gw-1", SIGNER.sign)
    for n in range(3):
        log.write([AuditRecord(AT, "lane-1/barrier", "command.decided", {"n": n})], AT)
    log.write_checkpoint("idle", AT)
    log.write([AuditRecord(AT, "lane-1/barrier", "command.ended", {})], AT)
    found = (folder / AUDIT_FILE).read_bytes(), (folder / CHAIN_HEAD_FILE).read_bytes()
    shutil.rmtree(folder)
    return found


@target(
    OSError,
    seeds=(b"\n".join((_audit()[1].strip(), _audit()[0])), b"\n"),
    words=(
        b'"prev":"',
        b'"audit.resumed"',
        b'"torn_lines":[',
        b'"missing":',
        b'"jws":"',
        b'"audit.pruned"',
        b'"first":',
        b'"sha256":"',
    ),
)
def audit_chain(data: bytes) -> None:
    """Verify a checkpoint and lines, continue the journal, and verify it again."""
    folder = _emptied("audit")
    note, _, lines = data.partition(b"\n")
    (folder / CHAIN_HEAD_FILE).write_bytes(note + b"\n")
    (folder / AUDIT_FILE).write_bytes(lines)
    verify(folder, VERIFIER)
    log = AuditWriter(folder, "_gw/gw-1", SIGNER.sign)
    log.write([AuditRecord(AT, "lane-1/barrier", "command.decided", {})], AT)
    log.write_checkpoint("stopped", AT)
    log.prune("9999", 0, AT)
    verify(folder, VERIFIER)


PRIVATE = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
PUBLIC = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@target(UnusableKeyError, seeds=(PRIVATE, PUBLIC))
def signing_keys(data: bytes) -> None:
    file = _folder() / "key.pem"
    file.write_bytes(data)
    for load in (load_signing_key, load_public_key):
        try:
            load(file)
        except UnusableKeyError:
            continue


@target(
    StoreNotFoundError,
    seeds=(
        json.dumps(
            {
                "certificates": [
                    {
                        "name": "gw-1",
                        "kind": "gateway",
                        "serial": "1f",
                        "fingerprint": "00",
                        "ends": "2027-01-01T00:00:00+00:00",
                        "revoked": None,
                        "why": None,
                    }
                ]
            }
        ).encode(),
    ),
)
def authority_index(data: bytes) -> None:
    folder = _emptied("authority")
    (folder / INDEX).write_bytes(data)
    found = CertificateStore.open(folder)
    found.current_certificates()
    found.revoked_names()


DESCRIBED = (ROOT / "config/mosquitto/trust.toml").read_bytes().replace(b"/etc/borderpost/gateway", b"post")


@target(
    ConfigError,
    seeds=(DESCRIBED,),
    words=(*WORDS, b"[[post]]", b"[[person]]", b"[[shared]]", b"file = "),
)
def deployments(data: bytes) -> None:
    """Load the principals of a broker, with a post's file."""
    folder = _emptied("hall")
    shutil.copy(ROOT / "config/example.toml", folder / "post.toml")
    file = folder / "trust.toml"
    file.write_bytes(data)
    try:
        load_deployment(file, {})
    except ConfigError as error:
        explained(error)
