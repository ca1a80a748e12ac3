"""Content of the audit files: lines, checkpoints, pruning, torn ends."""

import json
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.audit import hash_chain, writer
from gateway.audit.hash_chain import (
    AUDIT_FILE,
    CHAIN_HEAD_FILE,
    GENESIS,
    ChainHead,
    RawLine,
    audit_files,
    format_line,
    parse_line,
    read_backwards,
    read_lines,
    signed_part,
)
from gateway.audit.verify import verify
from gateway.audit.writer import AuditRecord, AuditWriter
from gateway.pki.jws import Signer, Verifier

KEY = Ed25519PrivateKey.generate()
VERIFIER = Verifier([KEY.public_key()])
GATEWAY = "_gw/gw-1"


def at(number: int) -> str:
    return f"2026-11-28T08:{number // 60:02d}:{number % 60:02d}.000000Z"


def note(number: int) -> AuditRecord:
    return AuditRecord(at(number), "lane-1/barrier", "command.decided", {"n": number}, f"t-{number}")


@pytest.fixture(autouse=True)
def _nothing_is_synced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer.os, "fdatasync", lambda _: None)
    monkeypatch.setattr(writer.os, "fsync", lambda _: None)


@pytest.fixture
def audit(tmp_path: Path) -> AuditWriter:
    return AuditWriter(tmp_path, GATEWAY, Signer(KEY).sign)


def lines(folder: Path) -> list[dict]:
    return [json.loads(row.raw) for file in audit_files(folder) for row in read_lines(file)]


def test_lines_are_chained(audit, tmp_path):
    audit.write([note(1), AuditRecord(at(2), "lane-2/gate", "x", {})], at(3))
    head = audit.write_checkpoint("hour", at(4))
    first, second, checkpoint = (tmp_path / AUDIT_FILE).read_bytes().splitlines()
    assert json.loads(first) == {
        "n": 1,
        "prev": GENESIS,
        "at": at(1),
        "position": "lane-1/barrier",
        "type": "command.decided",
        "transaction": "t-1",
        "data": {"n": 1},
    }
    assert list(json.loads(first)) == ["n", "prev", "at", "position", "type", "transaction", "data"]
    assert json.loads(second) == {
        "n": 2,
        "prev": sha256(first).hexdigest(),
        "at": at(2),
        "position": "lane-2/gate",
        "type": "x",
        "data": {},
    }
    found = json.loads(checkpoint)
    assert VERIFIER.check(*signed_part(checkpoint)) == Signer(KEY).kid
    assert found.pop("jws")
    assert found == {
        "n": 3,
        "prev": sha256(second).hexdigest(),
        "at": at(4),
        "position": GATEWAY,
        "type": "audit.checkpoint",
        "data": {"trigger": "hour"},
    }
    assert head == ChainHead(3, sha256(checkpoint).hexdigest())
    assert (tmp_path / CHAIN_HEAD_FILE).read_text() == f"{3:020d} {head.digest}\n"
    assert ChainHead.read(tmp_path / CHAIN_HEAD_FILE) == head
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}


def test_no_checkpoint_without_new_lines(audit, tmp_path):
    assert audit.write_checkpoint("hour", at(1)) is None
    assert lines(tmp_path) == []
    audit.write([], at(1))
    assert audit.write_checkpoint("hour", at(1)) is None
    audit.write([note(1)], at(1))
    assert audit.write_checkpoint("hour", at(2)) is not None
    assert audit.write_checkpoint("hour", at(3)) is None
    again = AuditWriter(tmp_path, GATEWAY, Signer(KEY).sign)
    assert again.write_checkpoint("stop", at(4)) is None
    again.write([note(5)], at(5))
    assert again.write_checkpoint("stop", at(6)).n == 4
    assert AuditWriter(tmp_path, GATEWAY, None).write_checkpoint("stop", at(7)) is None


def test_chain_continues_after_a_start(audit, tmp_path):
    audit.write([note(1), note(2)], at(2))
    again = AuditWriter(tmp_path, GATEWAY, Signer(KEY).sign)
    again.write([note(3)], at(3))
    assert [line["n"] for line in lines(tmp_path)] == [1, 2, 3]
    assert again.write_checkpoint("stop", at(4)) is not None
    assert verify(tmp_path, VERIFIER).tampering is None


def test_full_file_is_closed(audit, tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "MAX_FILE_BYTES", 500)
    audit.write([note(1), note(2)], at(2))
    assert [file.name for file in audit_files(tmp_path)] == [AUDIT_FILE]
    size = (tmp_path / AUDIT_FILE).stat().st_size
    monkeypatch.setattr(writer, "MAX_FILE_BYTES", size + 1)
    audit.write([], at(3))
    assert [file.name for file in audit_files(tmp_path)] == [AUDIT_FILE]
    monkeypatch.setattr(writer, "MAX_FILE_BYTES", size)
    audit.write([], at(3))
    assert [file.name for file in audit_files(tmp_path)] == ["audit-000000000001.jsonl"]
    assert lines(tmp_path)[-1]["data"] == {"trigger": "full"}
    audit.write([note(4)], at(4))
    audit.close_file("age", at(5))
    assert [file.name for file in audit_files(tmp_path)] == [
        "audit-000000000001.jsonl",
        "audit-000000000004.jsonl",
    ]
    audit.close_file("age", at(6))  # the newest file is empty
    assert len(audit_files(tmp_path)) == 2
    assert verify(tmp_path, VERIFIER).tampering is None


def test_closed_file_has_its_number_after_a_start(audit, tmp_path):
    audit.write([note(1)], at(1))
    audit.close_file("age", at(2))
    audit.write([note(3)], at(3))
    AuditWriter(tmp_path, GATEWAY, Signer(KEY).sign).close_file("age", at(4))
    assert [file.name[6:18] for file in audit_files(tmp_path)] == ["000000000001", "000000000003"]


def three_files(audit: AuditWriter) -> None:
    for number in (10, 20, 30):
        audit.write([note(number), note(number + 1)], at(number))
        audit.close_file("age", at(number + 2))
    audit.write([note(40)], at(40))


@pytest.mark.parametrize(
    ("until", "gone"), [(None, 0), (at(12), 0), (at(13), 1), (at(32), 2), (at(33), 3), (at(59), 3)]
)
def test_old_files_are_pruned(audit, tmp_path, until, gone):
    three_files(audit)
    was = lines(tmp_path)
    assert audit.prune(until, 10**9, at(50)) == gone
    assert lines(tmp_path)[0]["n"] == 3 * gone + 1
    recorded = [line for line in lines(tmp_path) if line["type"] == "audit.pruned"]
    assert [line["data"] for line in recorded] == [
        {
            "first": 3 * index + 1,
            "last": 3 * index + 3,
            "from": was[3 * index]["at"],
            "until": was[3 * index + 2]["at"],
            "sha256": was[3 * index + 3]["prev"],
            "trigger": "age",
        }
        for index in range(gone)
    ]
    assert {(line["at"], line["position"]) for line in recorded} <= {(at(50), GATEWAY)}
    if gone:
        assert lines(tmp_path)[-1]["data"] == {"trigger": "removed"}
    verdict = verify(tmp_path, VERIFIER)
    assert (verdict.tampering, verdict.pruned) == (None, 3 * gone)


def test_files_beyond_the_size_are_pruned(audit, tmp_path, monkeypatch):
    three_files(audit)
    monkeypatch.setattr(writer, "MAX_FILE_BYTES", 1000)
    sizes = [file.stat().st_size for file in audit_files(tmp_path)[:-1]]
    assert audit.prune(None, sum(sizes) + 1000, at(50)) == 0
    assert audit.prune(None, sum(sizes) + 999, at(50)) == 1
    assert [line["data"]["trigger"] for line in lines(tmp_path) if line["type"] == "audit.pruned"] == ["size"]
    assert audit.prune(None, sizes[2] + 999, at(51)) == 2
    assert [file.name for file in audit_files(tmp_path)] == [AUDIT_FILE]


def test_unreadable_file_stops_pruning(audit, tmp_path):
    three_files(audit)
    audit_files(tmp_path)[0].write_bytes(b"nonsense\n")
    assert audit.prune(at(59), 10**9, at(50)) == 0
    assert len(audit_files(tmp_path)) == 4


def test_pruning_without_a_key_is_recorded(tmp_path):
    audit = AuditWriter(tmp_path, GATEWAY, None)
    audit.write([note(1), note(2), note(3)], at(1))
    audit.close_file("age", at(2))
    assert audit.prune(at(9), 10**9, at(9)) == 1
    (removed,) = lines(tmp_path)
    assert (removed["n"], removed["type"]) == (4, "audit.pruned")


def test_started_at(audit, tmp_path):
    assert audit.started_at() is None
    audit.write([note(7), note(8)], at(9))
    assert audit.started_at() == at(7)
    (tmp_path / AUDIT_FILE).write_bytes(b"nonsense\n")
    assert audit.started_at() is None


def test_torn_end_is_recorded(audit, tmp_path):
    audit.write([note(1)], at(1))
    file = tmp_path / AUDIT_FILE
    whole = file.read_bytes()
    file.write_bytes(whole + b"one\ntwo")
    again = AuditWriter(tmp_path, GATEWAY, Signer(KEY).sign)
    again.write([note(2)], at(2))
    assert file.read_bytes().startswith(whole + b"one\ntwo\n")
    recorded = json.loads(file.read_bytes().splitlines()[3])
    assert (recorded["type"], recorded["n"], recorded["position"], recorded["at"]) == (
        "audit.resumed",
        2,
        GATEWAY,
        at(2),
    )
    assert recorded["data"] == {
        "torn_lines": [sha256(b"one").hexdigest(), sha256(b"two").hexdigest()],
        "missing": 0,
        "half_bytes": 6,
    }
    assert again.write_checkpoint("stop", at(3)) is not None


def test_missing_lines_are_recorded(audit, tmp_path):
    audit.write([note(1), note(2), note(3)], at(3))
    head = ChainHead.read(tmp_path / CHAIN_HEAD_FILE)
    file = tmp_path / AUDIT_FILE
    file.write_bytes(file.read_bytes().splitlines(keepends=True)[0])
    AuditWriter(tmp_path, GATEWAY, None).write([note(4)], at(4))
    assert [(line["n"], line["type"]) for line in lines(tmp_path)] == [
        (1, "command.decided"),
        (4, "audit.resumed"),
        (5, "command.decided"),
    ]
    assert lines(tmp_path)[1]["data"] == {
        "torn_lines": [],
        "missing": 2,
        "half_bytes": 0,
        "expected": head.digest,
    }


def test_changed_last_line_is_recorded(audit, tmp_path):
    audit.write([note(1)], at(1))
    expected = ChainHead.read(tmp_path / CHAIN_HEAD_FILE).digest
    file = tmp_path / AUDIT_FILE
    file.write_bytes(file.read_bytes().replace(b"lane-1", b"lane-9"))
    AuditWriter(tmp_path, GATEWAY, None).write([note(2)], at(2))
    assert lines(tmp_path)[1]["data"] == {
        "torn_lines": [],
        "missing": 0,
        "half_bytes": 0,
        "expected": expected,
    }
    wrong = verify(tmp_path).tampering
    assert (wrong.kind, wrong.number) == ("changed", 1)


def test_missing_line_end_is_repaired(audit, tmp_path):
    audit.write([note(1)], at(1))
    file = tmp_path / AUDIT_FILE
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    AuditWriter(tmp_path, GATEWAY, None).write([note(2)], at(2))
    assert file.read_bytes().startswith(whole)
    assert [line["n"] for line in lines(tmp_path)] == [1, 2]


def test_head_file_may_be_behind(audit, tmp_path):
    """After a power cut the chain may be ahead of the head file: nothing is missing."""
    audit.write([note(1)], at(1))
    noted = (tmp_path / CHAIN_HEAD_FILE).read_bytes()
    audit.write([note(2)], at(2))
    (tmp_path / CHAIN_HEAD_FILE).write_bytes(noted)
    AuditWriter(tmp_path, GATEWAY, None).write([note(3)], at(3))
    assert [line["type"] for line in lines(tmp_path)] == ["command.decided"] * 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1 2",
        f"1 {'a' * 64}",
        f"{1:020d} {'a' * 63}",
        f"{1:020d} {'g' * 64}",
        f"{1:019d}x {'a' * 64}",
        f"{1:020d} {'a' * 64} 3",
    ],
)
def test_malformed_head_file_is_none(tmp_path, text):
    (tmp_path / CHAIN_HEAD_FILE).write_text(text)
    assert ChainHead.read(tmp_path / CHAIN_HEAD_FILE) is None


RAW = format_line(ChainHead(4, "a" * 64), at(1), "lane-1/reader", "x", {"ä": 1}, transaction="t")


def test_line_is_read_as_written():
    line = parse_line(RAW)
    assert (line.n, line.prev, line.at, line.position) == (5, "a" * 64, at(1), "lane-1/reader")
    assert (line.type, line.transaction, line.data, line.raw) == ("x", "t", {"ä": 1}, RAW)
    assert line.digest == sha256(RAW).hexdigest()
    assert "ä".encode() in RAW
    assert b'"n":8,' in format_line(ChainHead(4, "a" * 64), at(1), "p", "x", {}, skipped=3)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"n":5', b'"n":0'),
        (b'"n":5', b'"n":-5'),
        (b'"n":5', b'"n":"5"'),
        (b'"n":5', b'"n":true'),
        (b'"n":5', b'"n":5.0'),
        (b'"n":5', b'"n": 5'),
        (b'"prev":"a', b'"prev":"g'),
        (b'"prev":"a', b'"prev":"'),
        (b'"prev":"' + b"a" * 64 + b'"', b'"prev":7'),
        (b"2026", b"1026"),
        (b"2026", b"3026"),
        (b"11-28", b"11-31"),
        (b"000Z", b"00Z"),
        (b'"lane-1/reader"', b"7"),
        (b'"type":"x"', b'"type":null'),
        (b'"transaction":"t"', b'"transaction":[]'),
        (b'{"\xc3\xa4":1}', b"[]"),
        (b'{"\xc3\xa4":1}', b"null"),
        (b"}}", b"}"),
    ],
)
def test_malformed_line_is_none(old, new):
    assert old in RAW
    assert parse_line(RAW.replace(old, new, 1)) is None


def test_first_number_is_one():
    assert parse_line(RAW.replace(b'"n":5', b'"n":1')).n == 1
    assert parse_line(b"[]") is None
    assert parse_line(b"[" * 100_000) is None


def test_signature_is_the_last_member():
    assert signed_part(b'{"n":1,"jws":"abc"}') == (b'{"n":1}', "abc")
    assert signed_part(b'{"n":1}') == (b'{"n":1}', "")
    assert signed_part(b'{"n":1,"jws":"abc"} ') == (b'{"n":1,"jws":"abc"} ', "")
    assert signed_part(b'{"jws":"x","jws":"a","jws":"b"}') == (b'{"jws":"x","jws":"a"}', "b")


def test_read_lines(tmp_path):
    file = tmp_path / AUDIT_FILE
    file.write_bytes(b"a\n\nb")
    assert list(read_lines(file)) == [
        RawLine(file, 1, b"a", True),
        RawLine(file, 2, b"", True),
        RawLine(file, 3, b"b", False),
    ]


@pytest.mark.parametrize("block", [1, 2, 3, 5, 1000])
@pytest.mark.parametrize("content", [b"", b"a\n", b"ab\n\ncde\nf", b"abcdefghij\nk\n", b"\n\n", b"abc"])
def test_read_backwards(tmp_path, monkeypatch, block, content):
    monkeypatch.setattr(hash_chain, "_BLOCK", block)
    file = tmp_path / AUDIT_FILE
    assert list(read_backwards(file)) == []
    file.write_bytes(content)
    assert list(read_backwards(file)) == [line for line in reversed(content.split(b"\n")) if line]
