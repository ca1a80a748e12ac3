"""Audit chain: every change is detected and classified; a power cut costs only the torn line."""

import json
import random
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from gateway.audit import writer as audit_log
from gateway.audit.breach_report import TRAVELLER_READS, build_report
from gateway.audit.hash_chain import (
    AUDIT_FILE,
    CHAIN_HEAD_FILE,
    CHECKPOINT,
    LINES_DROPPED,
    PRUNED,
    RESUMED,
    STARTED,
    audit_files,
    parse_line,
    read_lines,
)
from gateway.audit.tampering import TamperKind
from gateway.audit.verify import verify
from gateway.audit.writer import AuditRecord, AuditWriter
from gateway.cli import app
from gateway.pki.jws import Signer, Verifier

KEY = Ed25519PrivateKey.generate()
SIGN = Signer(KEY).sign
VERIFIER = Verifier([KEY.public_key()])
GATEWAY = "_gw/gw-1"


def at(number: int) -> str:
    return f"2026-11-28T08:{number // 60:02d}:{number % 60:02d}.000000Z"


def note(number: int) -> AuditRecord:
    return AuditRecord(
        at(number), "lane-1/barrier", "command.decided", {"station": "lane-1", "command_seq": number}, "t"
    )


def opened(folder: Path) -> AuditWriter:
    return AuditWriter(folder, GATEWAY, SIGN)


def fill(folder: Path, lines: int, *, every: int = 5) -> AuditWriter:
    """Write lines 0 to `lines` in several files, signed every few lines and at the end."""
    audit = opened(folder)
    for number in range(lines):
        audit.write([note(number)], at(number))
        if number % every == every - 1:
            audit.write_checkpoint("hour", at(number))
    audit.write_checkpoint("stop", at(lines))
    return audit


@pytest.fixture(autouse=True, scope="module")
def _nothing_is_synced() -> Iterator[None]:
    """Skip syncing: a power cut is simulated by the files left here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit_log.os, "fdatasync", lambda _: None)
        patch.setattr(audit_log.os, "fsync", lambda _: None)
        yield


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_log, "MAX_FILE_BYTES", 1300)


@pytest.fixture(scope="module")
def intact_chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audit") / "intact_chain"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit_log, "MAX_FILE_BYTES", 1300)
        fill(folder, 24)
    assert verify(folder, VERIFIER).tampering is None
    assert len(audit_files(folder)) >= 4
    return folder


def pages(folder: Path) -> list[tuple[Path, list[bytes]]]:
    return [(file, file.read_bytes().split(b"\n")[:-1]) for file in audit_files(folder)]


def put(file: Path, lines: list[bytes]) -> None:
    file.write_bytes(b"".join(line + b"\n" for line in lines))


def copied(intact_chain: Path, folder: Path) -> Path:
    shutil.copytree(intact_chain, folder, dirs_exist_ok=True)
    return folder


def test_intact_chain_verifies(intact_chain: Path) -> None:
    verdict = verify(intact_chain, VERIFIER)
    assert (verdict.tampering, verdict.first_unverified, verdict.torn_at_end) == (None, None, False)
    assert verdict.checkpoints >= 5
    assert verdict.last is not None
    assert verdict.last.type == CHECKPOINT
    assert verify(intact_chain).first_unverified is not None  # the lines fit each other, without signatures
    assert verify(intact_chain, Verifier([Ed25519PrivateKey.generate().public_key()])).unknown_keys == {
        Signer(KEY).kid
    }


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_single_change_is_found(intact_chain: Path, data: st.DataObject) -> None:
    found = pages(intact_chain)
    flat = [(file, number) for file, lines in found for number in range(len(lines))]
    lines = {file: list(those) for file, those in found}
    file, number = data.draw(st.sampled_from(flat))
    what = data.draw(
        st.sampled_from(["change", "remove", "swap", "insert", "forge", "cut", "file", "byte", "more"])
    )
    match what:
        case "change":
            line = bytearray(lines[file][number])
            where = data.draw(st.integers(0, len(line) - 1))
            line[where] ^= data.draw(st.integers(1, 255))
            lines[file][number] = bytes(line)
        case "remove":
            del lines[file][number]
        case "swap":
            other, there = data.draw(st.sampled_from([at for at in flat if at != (file, number)]))
            lines[file][number], lines[other][there] = lines[other][there], lines[file][number]
        case "insert":
            other, there = data.draw(st.sampled_from(flat))
            lines[file].insert(number, lines[other][there])
        case "forge":
            altered = lines[file][number].replace(b"lane-1", b"lane-2")
            forged = data.draw(st.sampled_from([b"{}", b"", b"x", altered + b" "]))
            lines[file].insert(number, forged)
        case "cut":
            del lines[file][number:]
        case "file":
            lines[file] = []
    read = {file: b"".join(line + b"\n" for line in those) for file, those in lines.items()}
    where = data.draw(st.integers(0, max(0, len(read[file]) - 1)))
    if what == "byte":  # any byte, line ends too
        read[file] = read[file][:where] + read[file][where + 1 :]
    elif what == "more":
        read[file] = (
            read[file][:where] + data.draw(st.sampled_from([b"\n", b" ", b"0", b"{}\n"])) + read[file][where:]
        )
    touched = intact_chain.parent / "touched"
    touched.mkdir(exist_ok=True)
    (touched / CHAIN_HEAD_FILE).write_bytes((intact_chain / CHAIN_HEAD_FILE).read_bytes())
    for path, content in read.items():
        (touched / path.name).write_bytes(content)
    verdict = verify(touched, VERIFIER)
    assert verdict.tampering is not None
    if what in ("change", "remove"):
        assert (intact_chain / verdict.tampering.file.name, verdict.tampering.number) in near(
            found, file, number
        )


def near(found: list[tuple[Path, list[bytes]]], file: Path, number: int) -> list[tuple[Path, int]]:
    """Return the line (numbered from 1), its neighbours, and the lines at a file boundary."""
    flat = [(page, at + 1) for page, lines in found for at in range(len(lines))]
    here = flat.index((file, number + 1))
    return [*flat[max(0, here - 1) : here + 2], (file, number + 1)]


@pytest.mark.parametrize(
    ("doing", "kind", "number"),
    [
        ("change", "changed", 3),
        ("remove", "removed", 3),
        ("remove_first", "removed", 1),
        ("insert_copy", "inserted", 3),
        ("insert_forged", "inserted", 3),
        ("swap", "reordered", 3),
        ("cut", "cut_off", 4),
        ("rewrite", "forged", 6),
    ],
)
def test_first_invalid_line_is_named(tmp_path: Path, doing: str, kind: TamperKind, number: int) -> None:
    fill(tmp_path, 10)
    ((file, lines),) = pages(tmp_path)
    match doing:
        case "change":
            lines[2] = lines[2].replace(b"lane-1", b"lane-2")
        case "remove":
            del lines[2]
        case "remove_first":
            del lines[:2]
        case "insert_copy":
            lines.insert(2, lines[0])
        case "insert_forged":
            lines.insert(2, lines[1].replace(b"lane-1", b"lane-2"))
        case "swap":
            lines[2], lines[4] = lines[4], lines[2]
        case "cut":
            del lines[4:]
        case "rewrite":  # by an attacker who knows the format and has no key
            shutil.rmtree(tmp_path)
            tmp_path.mkdir()
            other = Signer(Ed25519PrivateKey.generate())
            other.kid, other._header = Signer(KEY).kid, Signer(KEY)._header
            audit = AuditWriter(tmp_path, GATEWAY, other.sign)
            audit.write([note(n) for n in range(5)], at(5))
            audit.write_checkpoint("stop", at(5))
            ((file, lines),) = pages(tmp_path)
    put(file, lines)
    wrong = verify(tmp_path, VERIFIER).tampering
    assert wrong is not None
    assert (wrong.kind, wrong.number, wrong.file) == (kind, number, file)


def test_cut_after_checkpoint_is_unproved(tmp_path: Path) -> None:
    audit = fill(tmp_path, 5)
    audit.write([note(number) for number in range(5, 8)], at(8))
    (tmp_path / CHAIN_HEAD_FILE).unlink()  # as an attacker who cuts the end off
    verdict = verify(tmp_path, VERIFIER)
    assert verdict.tampering is None
    assert verdict.last_verified is not None
    assert verdict.first_unverified is not None
    assert verdict.first_unverified.n == verdict.last_verified.n + 1


def test_invalid_chain_head_is_none(tmp_path: Path) -> None:
    fill(tmp_path, 2)
    for note_of_last in (f"{'9' * 5000} {'0' * 64}", "7", "\xff"):
        (tmp_path / CHAIN_HEAD_FILE).write_text(note_of_last, "latin-1")
        assert verify(tmp_path, VERIFIER).tampering is None


def test_power_cut_at_every_byte(tmp_path: Path) -> None:
    made, folder = tmp_path / "made", tmp_path / "cut"
    made.mkdir()
    folder.mkdir()
    audit = fill(made, 2)
    before, head = (made / AUDIT_FILE).read_bytes(), (made / CHAIN_HEAD_FILE).read_bytes()
    audit.write([note(2)], at(3))
    after = (made / AUDIT_FILE).read_bytes()
    for cut in range(len(before), len(after)):
        (folder / AUDIT_FILE).write_bytes(after[:cut])
        (folder / CHAIN_HEAD_FILE).write_bytes(head)  # the chain head is written after the lines are on disk
        assert verify(folder, VERIFIER).tampering is None, cut
        again = opened(folder)
        again.write([note(4)], at(4))
        again.write_checkpoint("stop", at(5))
        verdict = verify(folder, VERIFIER)
        assert (verdict.tampering, verdict.first_unverified) == (None, None), cut
        text = (folder / AUDIT_FILE).read_bytes()
        assert text.startswith(after[:cut])
        rest = after[:cut].rpartition(b"\n")[2]
        assert verdict.torn_lines == bool(rest and parse_line(rest) is None), cut


def test_power_cut_during_recovery(tmp_path: Path) -> None:
    fill(tmp_path, 2)
    file, head = tmp_path / AUDIT_FILE, (tmp_path / CHAIN_HEAD_FILE).read_bytes()
    half = file.read_bytes() + b'{"n":4,"prev":"00'
    file.write_bytes(half)
    opened(tmp_path).write([note(4)], at(4))
    recovered = file.read_bytes()
    for cut in range(len(half), len(recovered), 7):
        file.write_bytes(recovered[:cut])
        (tmp_path / CHAIN_HEAD_FILE).write_bytes(head)
        opened(tmp_path).write([note(5)], at(5))
        verdict = verify(tmp_path, VERIFIER)
        assert verdict.tampering is None, cut
        assert verdict.torn_lines in (1, 2), cut


def test_lines_removed_while_stopped_are_found(tmp_path: Path) -> None:
    fill(tmp_path, 10)
    ((file, lines),) = pages(tmp_path)
    put(file, lines[:-3])
    opened(tmp_path).write_checkpoint("stop", at(11))
    again = opened(tmp_path)
    again.write([note(11)], at(11))
    again.write_checkpoint("stop", at(12))
    wrong = verify(tmp_path, VERIFIER).tampering
    assert wrong is not None
    assert (wrong.kind, wrong.number) == ("removed", len(lines) - 2)
    assert f"lines {len(lines) - 2} to {len(lines)}" in wrong.text


def test_pruning_is_recorded(tmp_path: Path, small_files: None) -> None:
    audit = fill(tmp_path, 24)
    closed = audit_files(tmp_path)[:-1]
    boundary = parse_line([*read_lines(closed[1])][-1].raw)
    assert boundary is not None
    assert audit.prune(boundary.at[:-1] + "a", 10**9, at(30)) == 2
    verdict = verify(tmp_path, VERIFIER)
    assert (verdict.tampering, verdict.first_unverified) == (None, None)
    assert verdict.pruned == boundary.n
    assert audit.prune(None, 3000, at(31)) >= 1
    assert verify(tmp_path, VERIFIER).tampering is None
    audit_files(tmp_path)[0].unlink()
    wrong = verify(tmp_path, VERIFIER).tampering
    assert wrong is not None
    assert wrong.kind in ("removed", "cut_off")


def test_full_disk_loses_no_written_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audit = fill(tmp_path, 2)
    write = audit_log.os.write

    def full(fd: int, data: memoryview) -> int:
        write(fd, data[: random.randint(1, 50)])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(audit_log.os, "write", full)
        with pytest.raises(OSError, match="No space"):
            audit.write([note(2)], at(2))
    audit.write([note(2)], at(3))
    audit.write_checkpoint("stop", at(4))
    verdict = verify(tmp_path, VERIFIER)
    assert (verdict.tampering, verdict.first_unverified, verdict.torn_lines) == (None, None, 0)


def test_line_is_synced_before_chain_head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    pwrite = audit_log.os.pwrite

    def synced(descriptor: int) -> None:
        seen.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)

    monkeypatch.setattr(audit_log.os, "fdatasync", synced)
    monkeypatch.setattr(audit_log.os, "fsync", synced)
    monkeypatch.setattr(audit_log.os, "pwrite", lambda *given: (seen.append("noted"), pwrite(*given)))
    audit = opened(tmp_path)
    audit.write([note(1)], at(1))
    assert seen == [AUDIT_FILE, tmp_path.name, "noted"]
    audit.write([note(2)], at(2))
    assert seen[3:] == [AUDIT_FILE, "noted"], "the directory entry exists already"


def test_verify_while_gateway_writes(tmp_path: Path, small_files: None) -> None:
    audit = opened(tmp_path)
    audit.write([note(0)], at(0))

    def go_on() -> None:
        for number in range(1, 200):
            audit.write([note(number)], at(number % 60))

    writing = threading.Thread(target=go_on)
    writing.start()
    looks = 0
    while writing.is_alive() or not looks:
        assert verify(tmp_path, VERIFIER).tampering is None
        looks += 1
    writing.join()


def test_unsigned_pruning_is_rejected(tmp_path: Path, small_files: None) -> None:
    fill(tmp_path, 24)
    first, *rest = audit_files(tmp_path)
    last = parse_line([*read_lines(first)][-1].raw)
    assert last is not None
    audit = AuditWriter(tmp_path, GATEWAY, None)  # an attacker who knows the format, and has no key
    audit.write([AuditRecord(at(30), GATEWAY, PRUNED, {"last": last.n, "sha256": last.digest})], at(30))
    first.unlink()
    assert verify(tmp_path).pruned == last.n
    wrong = verify(tmp_path, VERIFIER).tampering
    assert wrong is not None
    assert (wrong.kind, wrong.file) == ("removed", rest[0])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KINDS = st.sampled_from(
    [CHECKPOINT, RESUMED, PRUNED, LINES_DROPPED, STARTED, TRAVELLER_READS, "command.decided", "claim.changed"]
)
NAMES = st.sampled_from(
    ["torn_lines", "missing", "expected", "reads", "from", "count", "last", "sha256", "station"]
)


@settings(max_examples=40, deadline=None)
@given(
    lines=st.lists(
        st.binary(max_size=40)
        | st.fixed_dictionaries(
            {
                "n": st.integers(1, 4) | JSON,
                "prev": st.just("0" * 64) | JSON,
                "at": st.sampled_from([at(1), "", "\ud800", "\x1b[2J", at(1).replace("11-28", "02-30")]),
                "position": st.text(max_size=4),
                "type": KINDS | JSON,
                "data": st.dictionaries(NAMES, JSON, max_size=4),
            }
        ).map(lambda said: json.dumps(said).encode()),
        min_size=1,
        max_size=4,
    )
)
def test_any_content_gives_a_result(intact_chain: Path, lines: list[bytes]) -> None:
    nonsense = intact_chain.parent / "nonsense"
    nonsense.mkdir(exist_ok=True)
    put(nonsense / AUDIT_FILE, lines)
    verify(nonsense, VERIFIER)
    json.dumps(build_report((line for raw in lines if (line := parse_line(raw))), at(0), at(5)).to_json())
    (nonsense / CHAIN_HEAD_FILE).unlink(missing_ok=True)
    opened(nonsense).write([note(1)], at(1))  # and the gateway continues after it
    window = ("--from", "2026-11-28", "--to", "2026-11-29")
    for words in (
        ["verify", nonsense],
        ["export", nonsense, *window],
        ["export", nonsense, *window, "--json"],
    ):
        ended = CliRunner().invoke(app, ["audit", *map(str, words)])
        assert not ended.exception or isinstance(ended.exception, SystemExit), ended.exception
