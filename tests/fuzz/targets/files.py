"""Files: configuration, recordings, and a gateway's own files after damage."""

import contextlib
import io
import shutil
import sqlite3
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path

from support.gateway.deliveries import FakeTime, event

from drivers.anonymize.anonymizer import anonymize
from drivers.anonymize.pseudonyms import CannotAnonymize
from drivers.links.recording.pcap_export import recording_to_pcapng
from drivers.links.recording.recording import Recording, RecordingError
from drivers.observation import DataClass
from drivers.registry import UnknownDriverError
from fuzz.scripted_links import RECORDINGS
from fuzz.target import held, target
from gateway.common.clock import current_moment
from gateway.config import ConfigError, load
from gateway.config.role_file import load_roles
from gateway.console.api import audit
from gateway.console.auth.login_throttle import LoginThrottle
from gateway.console.auth.persisted import BootScopedStore
from gateway.console.auth.sessions import SessionStore
from gateway.console.auth.users import UsersFileError, read
from gateway.contract.topics import SiteTopics
from gateway.delivery.events import Blob
from gateway.delivery.outbox import admin as inspect
from gateway.delivery.outbox.database import (
    DATABASE_FILE,
    OutboxUnusable,
    has_lost_commits,
)
from gateway.delivery.outbox.encryption import EncryptionKeyError, MasterKey, master_key
from gateway.delivery.outbox.outbox import NEWEST_ID_FILE, NewestId
from gateway.delivery.outbox.recovery import open_outbox
from gateway.delivery.outbox.sequence import SequenceAllocator
from gateway.delivery.settings import KeySettings, OutboxSettings
from gateway.diagnostics import bundle
from gateway.management.device_registry import DeviceRegistry

ROOT = Path(__file__).parents[3]


@cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp())
    held.callback(_folder.cache_clear)
    held.callback(_outbox.cache_clear)
    held.callback(shutil.rmtree, folder)
    return folder


def _written(name: str, data: bytes, mode: int = 0o600) -> Path:
    file = _folder() / name
    file.write_bytes(data)
    file.chmod(mode)
    return file


EXAMPLES = tuple((ROOT / "config" / name).read_bytes() for name in ("example.toml", "demo-post.toml"))
PLAIN = b"\n".join(
    line.partition(b" #")[0] for line in EXAMPLES[0].splitlines() if line and not line.startswith(b"#")
)
WORDS = (
    b"[gateway]", b"[broker]", b'[device."lane-1/reader"]', b'driver = "', b'"mrz-serial"', b"port = ",
    b"${", b"$$", b":-", b'"""', b"'''", b"inf", b"nan", b"1979-05-27", b"[[device]]", b" = {", b"\n",
    b"[hq.tls]", b"[vault]",
)  # fmt: skip


@target(ConfigError, seeds=(PLAIN, *EXAMPLES), words=WORDS, longest=8192)
def configuration(data: bytes) -> None:
    """Load a configuration; every error is a finding with a file, and a line if there is one."""
    file = _written("post.toml", data)
    try:
        load(file, {"A": "b"})
    except ConfigError as error:
        explained(error)


def explained(error: ConfigError) -> None:
    assert error.issues
    for finding in error.issues:
        assert finding.file.endswith(".toml")
        assert finding.text
        assert finding.line is None or finding.line >= 1
    assert str(error)


@target(
    seeds=(
        (ROOT / "config/mosquitto/roles.toml").read_bytes(),
        (ROOT / "config/demo-roles.toml").read_bytes(),
    ),
    words=(b"[role.", b"[station.", b"verbs = [", b"positions = ", b"can_move = true", b"authority = "),
)
def roles(data: bytes) -> None:
    try:
        load_roles(_written("roles.toml", data))
    except ConfigError as error:
        explained(error)


@target(
    UsersFileError,
    OSError,
    seeds=(b'[user.ada]\nrole = "viewer"\npassword = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA"\n',),
)
def users(data: bytes) -> None:
    read(_written("users.toml", data))


@target(EncryptionKeyError, OSError, seeds=(b"A" * 43 + b"=\n", b"0123456789abcdef" * 4, bytes(32)))
def master_keys(data: bytes) -> None:
    master_key(KeySettings(file=_written("key", data)), _folder())


RECORDED = tuple(file.read_bytes()[:3000].rpartition(b"\n")[0] for file in sorted(RECORDINGS.rglob("*.rec")))
USB = (
    b"# borderpost recording 2\n# driver: uru4000\n# wire: usb\n# settings: {}\n"
    b"# provenance: by hand\n# people: synthetic\n"
    b"0.001 submit   1 control 80 1 setup c0 04 f0 07 00 00 01 00\n0.002 complete 1 control 80 ok 1 data 05\n"
)
HEADS = (
    b"# settings: {}",
    b"# people: synthetic",
    b"# wire: usb",
    b"# asked: capture {}",
    b"# begins: ",
    b" in  ",
    b" out ",
    b" complete ",
    b" submit ",
    b" setup ",
    b" data ",
)


@target(RecordingError, seeds=(*RECORDED, USB), words=HEADS, longest=8192, name="recordings")
def read_recordings(data: bytes) -> None:
    """Read a recording and write it again unchanged, in a form that Wireshark opens."""
    recording = Recording.from_text(data.decode("utf-8", "replace"))
    assert Recording.from_text(recording.to_text()).to_text() == recording.to_text()
    assert recording_to_pcapng(recording)[:4] == b"\n\r\r\n"


@target(RecordingError, CannotAnonymize, UnknownDriverError, seeds=RECORDED, words=HEADS, longest=8192)
def anonymized(data: bytes) -> None:
    """Anonymize a recording, or refuse it; lengths never change."""
    recording = Recording.from_text(data.decode("utf-8", "replace"))
    done = anonymize(recording)
    assert [len(chunk.data) for chunk in done.chunks] == [len(chunk.data) for chunk in recording.chunks]


TOPICS = SiteTopics("ke-busia", "gw-1")
TAKERS = dict.fromkeys(DataClass, ("local",))
MASTER = (MasterKey(b"m" * 32), None)


@cache
def _outbox() -> bytes:
    """Return the file of an outbox with some events in it."""
    folder = _folder() / "made"
    folder.mkdir()
    time = FakeTime()
    outbox = open_outbox(
        OutboxSettings(directory=folder), TOPICS, TAKERS, MASTER, current_moment(time)
    ).outbox
    ledger = SequenceAllocator(TOPICS, outbox.epoch)
    entries = []
    for number, kind in enumerate((DataClass.TRAVELLER, DataClass.RECORD, DataClass.RECORD)):
        stored = replace(
            event(number, kind, "lane-1/reader"), blobs=(Blob("face", "image/jpeg", b"\xff\xd8\xff"),)
        )
        entries.append(ledger.to_stored_event(stored, current_moment(time), 60_000_000_000))
    outbox.store(entries, ledger.counters, {}, ledger.epoch)
    outbox.checkpoint()
    outbox.close()
    return (folder / DATABASE_FILE).read_bytes()


@target(
    OutboxUnusable, sqlite3.Error, OSError,
    seeds=(b"", b"\x12\x34\0\xff", b"\0\0\0\0", b"\0\x10\x05\x0d", b"\x30\0\0\x0a\x30\0\x05\0"),
    longest=256,
)  # fmt: skip
def outbox(data: bytes) -> None:
    """Overwrite bytes of the file: four per edit, three for the position and one for the value."""
    content = bytearray(_outbox())
    for at in range(0, len(data) - 3, 4):
        content[int.from_bytes(data[at : at + 3], "big") % len(content)] = data[at + 3]
    folder = _folder() / "outbox"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / DATABASE_FILE).write_bytes(content)
    time = FakeTime()
    for look in (
        inspect.stream_summaries,
        lambda at: list(inspect.list_events(at)),
        lambda at: list(inspect.list_parked(at)),
    ):
        with contextlib.suppress(OutboxUnusable, sqlite3.Error):
            look(folder)
    opened = open_outbox(
        OutboxSettings(directory=folder), TOPICS, TAKERS, MASTER, current_moment(time)
    ).outbox
    try:
        SequenceAllocator(TOPICS, opened.epoch).load_streams(opened.counters(), 0)
        opened.retained()
        for number, level in list(opened.positions.items()):
            page, _ = opened.reader.fetch(number, level.acked_by_all, 10, 1_000_000)
            for entry in page.entries:
                assert entry.deadline_ns + entry.lifetime_ns + entry.created_unix_ns is not None
                assert entry.topic.startswith("bgw/v1/")
            opened.advance({("local", number): page.upto})
        opened.delete_expired(current_moment(time))
    finally:
        opened.close()
    with contextlib.suppress(OutboxUnusable, sqlite3.Error):
        inspect.export(folder, io.StringIO())


@target(OSError, seeds=(b"", b"0190b6a0-0000-7000-8000-000000000000", b"\0" * 36))
def newest_id(data: bytes) -> None:
    _written(NEWEST_ID_FILE, data)
    noted = NewestId(_folder())
    try:
        assert isinstance(noted.read(), str)
    finally:
        noted.close()


@target(seeds=(b"", b"\x37\x7f\x06\x82" + bytes(300)))
def write_ahead_log(data: bytes) -> None:
    has_lost_commits(_written("wal", data), data[0] if data else 0)


REGISTER = (
    b'{"version":1,"places":{"lane-1/reader":{"accepted":"A1","maintenance":'
    b'{"since_ns":1,"until_ns":2,"by":"ada"}}},"devices":{"mrz-serial A1":{"driver":"mrz-serial","position":'
    b'"lane-1/reader","lifetime":{"good":1},"since_reset":{"good":1},"hours":[{"at":1}]}}}'
)


@target(
    seeds=(REGISTER, b"{}"),
    words=(b'"version":1', b'"places":{', b'"devices":{', b'"lifetime":{', b'"hours":['),
)
def register(data: bytes) -> None:
    """Read a technician's register of counters and serial numbers."""
    found = DeviceRegistry(_written("register.json", data))
    found.read()
    found.content()


@target(
    seeds=(
        b'{"boot":"BOOT","f":{"name":"ada","secret":"h","begun_s":1,"seen_s":1}}',
        b'{"boot":"BOOT","a":[1,2.0]}',
        b"[]",
    ),
    words=(b'"boot":"BOOT"', b'"name"', b'"seen_s"'),
)
def console_state(data: bytes) -> None:
    """Read the console's stored logins and attempts, in this boot."""
    boot = BootScopedStore(_folder() / "kept.json")._boot.encode()
    file = BootScopedStore(_written("kept.json", data.replace(b"BOOT", boot)))
    SessionStore(file).find("token")
    LoginThrottle(file).remaining_wait_s("ada", "192.0.2.7")


@target(
    seeds=(b'{"event":"x","text":"\\ud800"}\nno line\n{"event":"y","level":"info","device":"lane-1/reader"}',)
)
def journal(data: bytes) -> None:
    """Filter the log for a support bundle."""
    bundle._journal(_written("journal", data))


AUDIT = (
    b'{"at":"2026-11-28T08:15:30Z","position":"lane-1/barrier","type":"command.decided","data":{"verb":"open"}}'
    b"\n"
)


@target(seeds=(AUDIT, AUDIT[40:] + AUDIT), words=(AUDIT, b"\n"))
def audit_lines(data: bytes) -> None:
    from gateway.audit.hash_chain import AUDIT_FILE

    _written(AUDIT_FILE, data)
    audit.newest(_folder(), 10)
