"""Support bundle: one archive about a post, without personal data and without secrets.

Each part is built from an allow-list of contents. Equal facts give equal bytes.
"""

import gzip
import io
import json
import platform
import re
import sqlite3
import subprocess
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from gateway.api.models import EventView, Finding, PostView
from gateway.common import log
from gateway.common.printable import printable
from gateway.common.version import VERSION
from gateway.config import ConfigError, Post, load_sound_parts
from gateway.delivery.outbox import admin
from gateway.delivery.outbox.database import OutboxUnusable
from gateway.diagnostics.checks.accounts import group_name, user_name
from gateway.diagnostics.checks.usb_tree import format_tree, list_usb_devices
from gateway.diagnostics.doctor import run_doctor
from gateway.diagnostics.findings import phone_code
from gateway.diagnostics.host import HostView, read_text
from gateway.diagnostics.redaction import foreign_host_names, redacted_post

JOURNAL = ("journalctl", "--unit=borderpost", "--output=cat", "--lines=2000", "--quiet", "--no-pager")
JOURNAL_TIMEOUT_S = 10.0
NODES = (
    "serial/by-id/*",
    "serial/by-path/*",
    "ttyS*",
    "ttyUSB*",
    "ttyACM*",
    "video*",
    "hidraw*",
    "input/event*",
)

README = """\
Diagnostics of the border-post gateway {site}/{gateway}, {version}, made on {at}.

This archive contains no personal data, no passwords and no keys: every part is built from an allow-list, and
names of machines outside the post are replaced. Check it before you send it:

{contents}

A code such as BP-PORT-HELD-20 is for the telephone: its last two digits are a checksum.
"""


@dataclass(frozen=True, slots=True)
class BundleFile:
    """One file of the archive."""

    name: str
    description: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Bundle:
    """The whole archive, before it is written."""

    name: str
    parts: tuple[BundleFile, ...]

    def to_tar_gz(self) -> bytes:
        """Return the archive as gzipped tar."""
        packed = io.BytesIO()
        with (
            gzip.GzipFile(fileobj=packed, mode="wb", mtime=0, filename="") as squeezed,
            tarfile.open(fileobj=squeezed, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            for part in self.parts:
                entry = tarfile.TarInfo(f"{self.name}/{part.name}")
                entry.size, entry.mode = len(part.content), 0o644
                tar.addfile(entry, io.BytesIO(part.content))
        return packed.getvalue()


def collect_bundle(
    config: Path,
    view: PostView | None = None,
    events: Mapping[str, Sequence[EventView]] | None = None,
    journal: Path | None = None,
    host: HostView | None = None,
) -> Bundle:
    """Collect the archive, which takes seconds.

    `journal`: log file of a gateway that does not log to the journal.
    """
    host = host or HostView()
    try:
        post = load_sound_parts(config)
    except ConfigError:
        post = None
    parts = [
        part
        for part in _parts(config, post, view, events or {}, journal, host)
        if part.content.strip() not in (b"", b"[]", b"{}")
    ]
    names = foreign_host_names(post) if post is not None else {}
    parts = [
        BundleFile(part.name, part.description, _printable(_replace_names(part.content, names)))
        for part in parts
    ]
    site, gateway = (post.gateway.site, post.gateway.name) if post is not None else ("unknown", "unknown")
    readme = README.format(
        site=site,
        gateway=gateway,
        version=VERSION,
        at=f"{host.now():%Y-%m-%d %H:%M} UTC",
        contents="\n".join(f"  {part.name:15} {part.description}" for part in parts),
    )
    first = BundleFile("README.txt", "about this archive", readme.encode())
    return Bundle(f"borderpost-{site}-{gateway}", (first, *parts))


def _parts(
    config: Path,
    post: Post | None,
    view: PostView | None,
    events: Mapping[str, Sequence[EventView]],
    journal: Path | None,
    host: HostView,
) -> Iterator[BundleFile]:
    findings = run_doctor(config, view, host)
    yield BundleFile("findings.txt", "findings about the post, with remedies", _findings_part(findings))
    yield BundleFile(
        "findings.json", "the same, for programs", _json([it.model_dump(mode="json") for it in findings])
    )
    if post is not None:
        yield BundleFile(
            "config.json",
            "the post's file without secrets and names of other machines",
            _json(redacted_post(post)),
        )
        yield BundleFile("outbox.json", "number of queued events by stream", _json(_outbox(post)))
    if view is not None:
        yield BundleFile(
            "post.json",
            "state and counters of the devices as the gateway reports them",
            _json(view.model_dump(mode="json")),
        )
    tail = {name: [event.model_dump(mode="json") for event in value] for name, value in events.items()}
    yield BundleFile("events.json", "the last events of each device, redacted", _json(tail))
    yield BundleFile("journal.jsonl", "the gateway's log, filtered by its allow-list", _journal(journal))
    yield BundleFile(
        "usb.txt", "USB devices of this machine", (format_tree(list_usb_devices(host)) + "\n").encode()
    )
    yield BundleFile("nodes.txt", "device nodes with owner, group and mode", _nodes(host))
    yield BundleFile(
        "versions.json", "versions of the system, of Python and its packages", _json(_versions(host))
    )


def _findings_part(findings: Iterable[Finding]) -> bytes:
    lines = [
        f"{it.severity:7} {it.subject}: {it.text} [{phone_code(it.code)}]"
        + (f"\n        {it.action}: {it.how}" if it.how else "")
        for it in findings
    ]
    return ("\n".join(lines) + "\n").encode()


def _outbox(post: Post) -> list[dict[str, Any]]:
    try:
        return [asdict(count) for count in admin.stream_summaries(post.gateway.state_dir / "outbox")]
    except (OSError, sqlite3.Error, OutboxUnusable):
        return []


def _journal(file: Path | None) -> bytes:
    """Return the log's lines, each value filtered by the allow-list again.

    Lines that are not JSON are omitted.
    """
    try:
        if file is not None:
            lines = file.read_bytes().splitlines()
        else:
            ran = subprocess.run(JOURNAL, capture_output=True, timeout=JOURNAL_TIMEOUT_S, check=False)
            lines = ran.stdout.splitlines()
    except (OSError, subprocess.TimeoutExpired):
        return b""
    kept = []
    for line in lines:
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(entry, dict):
            kept.append(json.dumps(log.redact_values(None, "", entry), ensure_ascii=False))
    return "\n".join(kept).encode("utf-8", "replace")  # File names may contain half a character.


def _nodes(host: HostView) -> bytes:
    lines = []
    for node in sorted(path for pattern in NODES for path in host.dev.glob(pattern)):
        try:
            status = node.stat()
        except OSError:
            continue
        leads = f" -> {node.resolve().name}" if node.is_symlink() else ""
        owner = f"{user_name(status.st_uid)}:{group_name(status.st_gid)}"
        lines.append(f"{status.st_mode & 0o7777:04o} {owner} {node.relative_to(host.dev)}{leads}")
    return "\n".join(lines).encode()


def _versions(host: HostView) -> dict[str, Any]:
    system = platform.uname()
    release = dict(
        line.split("=", 1) for line in (read_text(host.etc / "os-release") or "").splitlines() if "=" in line
    )
    return {
        "gateway": VERSION,
        "python": platform.python_version(),
        "kernel": f"{system.system} {system.release} {system.machine}",
        "system": release.get("PRETTY_NAME", "").strip('"'),
        "packages": dict(sorted((it.metadata["Name"], it.version) for it in distributions())),
    }


def _json(value: object) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


def _printable(content: bytes) -> bytes:
    """Escape what a device's text may do to a terminal; inside JSON the escapes are those of JSON."""
    return printable(content.decode("utf-8", "replace"), keep="\n\t").encode()


def _replace_names(content: bytes, names: Mapping[str, str]) -> bytes:
    """Replace names of other machines by placeholders, the longest name first."""
    for name in sorted(names, key=len, reverse=True):
        # Whole words only: a broker called `mqtt` must not change the names of packages.
        word = rb"(?<![\w.-])" + re.escape(name.encode()) + rb"(?![\w-])"
        content = re.sub(word, names[name].encode(), content)
    return content
