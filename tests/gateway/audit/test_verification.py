"""Findings on an audit with changes: line, kind and text."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.audit import verify as verification
from gateway.audit import writer
from gateway.audit.hash_chain import (
    AUDIT_FILE,
    CHAIN_HEAD_FILE,
    GENESIS,
    ChainHead,
    format_line,
    line_hash,
    parse_line,
)
from gateway.audit.verify import VerificationResult, verify
from gateway.audit.writer import AuditRecord, AuditWriter
from gateway.pki.jws import Signer, Verifier

KEY = Ed25519PrivateKey.generate()
SIGN = Signer(KEY).sign
VERIFIER = Verifier([KEY.public_key()])
GATEWAY = "_gw/gw-1"


def at(number: int) -> str:
    return f"2026-11-28T08:00:{number:02d}.000000Z"


@pytest.fixture(autouse=True)
def _nothing_is_synced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer.os, "fdatasync", lambda _: None)
    monkeypatch.setattr(writer.os, "fsync", lambda _: None)


@pytest.fixture
def lines(tmp_path: Path) -> list[bytes]:
    """Lines 1 to 6, signed by line 7."""
    audit = AuditWriter(tmp_path, GATEWAY, SIGN)
    audit.write([AuditRecord(at(n), "lane-1/gate", "x", {"n": n}) for n in range(1, 7)], at(7))
    audit.write_checkpoint("stop", at(7))
    return (tmp_path / AUDIT_FILE).read_bytes().splitlines()


def verified(
    folder: Path, lines: list[bytes], *, noted: bool = False, rest: bytes = b""
) -> VerificationResult:
    (folder / AUDIT_FILE).write_bytes(b"".join(line + b"\n" for line in lines) + rest)
    if not noted:
        (folder / CHAIN_HEAD_FILE).unlink(missing_ok=True)
    return verify(folder, VERIFIER)


def finding(verdict: VerificationResult) -> tuple[int, str, str]:
    assert verdict.tampering is not None
    return verdict.tampering.number, verdict.tampering.kind, verdict.tampering.text


def follow(lines: list[bytes], kind: str, data: dict, *, skipped: int = 0, sign=None) -> bytes:
    """Make a line that continues these."""
    last = parse_line(lines[-1])
    return format_line(ChainHead(last.n, last.digest), at(9), GATEWAY, kind, data, skipped=skipped, sign=sign)


def test_untouched(tmp_path, lines):
    verdict = verified(tmp_path, lines, noted=True)
    assert (verdict.lines, verdict.files, verdict.checkpoints, verdict.pruned) == (7, 1, 1, 0)
    assert (verdict.first.n, verdict.last.n, verdict.last_verified.n, verdict.first_unverified) == (
        1,
        7,
        7,
        None,
    )
    assert (verdict.tampering, verdict.torn_lines, verdict.torn_at_end, verdict.unknown_keys) == (
        None,
        0,
        False,
        set(),
    )


def test_no_audit(tmp_path):
    verdict = verify(tmp_path, VERIFIER)
    assert (verdict.lines, verdict.files, verdict.first, verdict.tampering) == (0, 0, None, None)


def test_missing_lines(tmp_path, lines):
    del lines[2:4]
    assert finding(verified(tmp_path, lines)) == (3, "removed", "lines 3 to 4 before it are missing")


def test_missing_beginning(tmp_path, lines):
    text = "lines 1 to 2 before it are missing, and no record says that they were pruned"
    assert finding(verified(tmp_path, lines[2:])) == (1, "removed", text)


def test_swapped_lines(tmp_path, lines):
    lines[2], lines[3] = lines[3], lines[2]
    assert finding(verified(tmp_path, lines)) == (3, "reordered", "line 3 belongs here and is found later")


def test_moved_first_line(tmp_path, lines):
    lines.insert(3, lines.pop(0))
    assert finding(verified(tmp_path, lines)) == (1, "reordered", "line 1 belongs here and is found later")


def test_swapped_and_changed(tmp_path, lines):
    """The expected line comes later and was changed, so only its number identifies it."""
    lines[2], lines[4] = (
        lines[4],
        lines[2].replace(b"lane-1", b"lane-2").replace(line_hash(lines[1]).encode(), b"b" * 64),
    )
    assert finding(verified(tmp_path, lines)) == (3, "reordered", "line 3 belongs here and is found later")


def test_copied_line(tmp_path, lines):
    lines.insert(4, lines[1])
    assert finding(verified(tmp_path, lines)) == (5, "inserted", "it is a copy of line 2")


def test_number_given_twice(tmp_path, lines):
    forged = format_line(ChainHead(1, "a" * 64), at(3), GATEWAY, "x", {})
    lines[6:] = [forged]
    assert finding(verified(tmp_path, lines)) == (7, "inserted", "number 2 was used before")


def test_inserted_line(tmp_path, lines):
    forged = format_line(ChainHead(9, "a" * 64), at(3), GATEWAY, "x", {})
    lines.insert(3, forged)
    assert finding(verified(tmp_path, lines)) == (
        4,
        "inserted",
        "the line after it follows the one before it",
    )


def test_number_skipped(tmp_path, lines):
    lines = [*lines[:3], follow(lines[:3], "x", {}, skipped=2)]
    assert finding(verified(tmp_path, lines)) == (4, "changed", "its number is 6; 4 is expected")


def test_changed_line(tmp_path, lines):
    lines[2] = lines[2].replace(b"lane-1", b"lane-2")
    assert finding(verified(tmp_path, lines)) == (3, "changed", "the line after it has another hash for it")


def test_changed_line_before_the_last(tmp_path, lines):
    lines[5] = lines[5].replace(b"lane-1", b"lane-2")
    assert finding(verified(tmp_path, lines)) == (6, "changed", "the line after it has another hash for it")


def test_line_unknown_to_both_neighbours(tmp_path, lines):
    lines[3] = format_line(ChainHead(3, "b" * 64), at(4), GATEWAY, "x", {})
    text = "it fits neither the line before nor the line after"
    assert finding(verified(tmp_path, lines)) == (4, "changed", text)


def test_another_first_line(tmp_path, lines):
    lines[0] = format_line(ChainHead(0, "b" * 64), at(1), GATEWAY, "x", {})
    text = "it claims to be the first line, but has a predecessor"
    assert finding(verified(tmp_path, lines)) == (1, "changed", text)


def test_first_line_with_another_number(tmp_path, lines):
    lines[0] = format_line(ChainHead(4, GENESIS), at(1), GATEWAY, "x", {})
    text = "it is the first line of a chain, but has another number"
    assert finding(verified(tmp_path, lines)) == (1, "changed", text)


@pytest.mark.parametrize("place", [0, 3])
def test_malformed_line_inserted(tmp_path, lines, place):
    lines.insert(place, b"nonsense")
    assert finding(verified(tmp_path, lines)) == (place + 1, "inserted", "this is not a line of the audit")


@pytest.mark.parametrize("place", [0, 3])
def test_line_corrupted(tmp_path, lines, place):
    lines[place] = b"nonsense"
    assert finding(verified(tmp_path, lines)) == (
        place + 1,
        "changed",
        "this line of the audit was corrupted",
    )


def test_malformed_lines_at_the_end(tmp_path, lines):
    assert finding(verified(tmp_path, [*lines, b"x"])) == (8, "changed", "this is not a line of the audit")
    assert finding(verified(tmp_path, [*lines, b"x"], rest=b"y")) == (
        8,
        "changed",
        "this is not a line of the audit",
    )


def test_torn_line_at_the_end(tmp_path, lines):
    verdict = verified(tmp_path, lines, rest=b'{"n":8')
    assert (verdict.tampering, verdict.torn_at_end) == (None, True)


def test_torn_lines_at_the_end_of_two_files(tmp_path, lines):
    """One power cut leaves one torn line."""
    (tmp_path / "audit-000000000001.jsonl").write_bytes(b"\n".join([*lines[:3], b"half"]))
    assert finding(verified(tmp_path, [], rest=b"x")) == (4, "changed", "this is not a line of the audit")


@pytest.mark.parametrize(("gone", "found"), [(4, True), (5, False)])
def test_files_removed_meanwhile(tmp_path, lines, monkeypatch, gone, found):
    seen = verification._read_once
    looks = []

    def look(folder):
        looks.append(folder)
        if len(looks) <= gone:
            raise FileNotFoundError(folder)
        return seen(folder)

    monkeypatch.setattr(verification, "_read_once", look)
    if found:
        assert verified(tmp_path, lines).lines == 7
    else:
        with pytest.raises(FileNotFoundError):
            verified(tmp_path, lines)
    assert len(looks) == 5


def test_end_cut_off(tmp_path, lines):
    verdict = verified(tmp_path, lines[:4], noted=True)
    assert finding(verdict) == (4, "cut_off", "lines 5 to 7 were written and are missing at the end")
    (tmp_path / CHAIN_HEAD_FILE).write_bytes(ChainHead(7, "a" * 64).text())
    (tmp_path / AUDIT_FILE).unlink()
    wrong = verify(tmp_path, VERIFIER).tampering
    assert (wrong.file, wrong.number) == (tmp_path / AUDIT_FILE, 1)
    assert wrong.text == "lines 1 to 7 were written and are missing at the end"


def test_known_line_differs(tmp_path, lines):
    verified(tmp_path, lines)
    text = "it is not the line known by this number"
    assert finding(verify(tmp_path, VERIFIER, [ChainHead(3, "a" * 64)])) == (3, "changed", text)
    assert finding(
        verify(tmp_path, VERIFIER, [ChainHead(3, line_hash(lines[2])), ChainHead(3, "a" * 64)])
    ) == (
        3,
        "changed",
        text,
    )
    assert verify(tmp_path, VERIFIER, [ChainHead(3, line_hash(lines[2]))]).tampering is None


def test_checkpoint_of_unknown_key(tmp_path, lines):
    other = Signer(Ed25519PrivateKey.generate())
    lines.append(follow(lines, "audit.checkpoint", {}, sign=other.sign))
    verdict = verified(tmp_path, lines)
    assert (verdict.tampering, verdict.unknown_keys, verdict.checkpoints) == (None, {other.kid}, 1)
    assert (verdict.last_verified.n, verdict.first_unverified.n) == (7, 8)


def test_checkpoint_with_invalid_signature(tmp_path, lines):
    lines[6] = lines[6].replace(b'"stop"', b'"hour"')
    text = "the signature of this checkpoint is invalid: it does not fit these bytes"
    assert finding(verified(tmp_path, lines)) == (7, "forged", text)
    assert verify(tmp_path).tampering is None  # without a key, signatures are not verified


def test_lines_without_checkpoint(tmp_path, lines):
    verdict = verified(tmp_path, lines[:6])
    assert (verdict.last_verified, verdict.first_unverified.n, verdict.tampering) == (None, 1, None)


def test_missing_lines_recorded_at_start(tmp_path, lines):
    recorded = {"torn_lines": [], "missing": 2, "expected": "a" * 64}
    lines = [*lines[:3], follow(lines[:3], "audit.resumed", recorded, skipped=2)]
    text = "lines 4 to 5 were missing when the gateway started"
    assert finding(verified(tmp_path, lines)) == (4, "removed", text)


def test_change_recorded_at_start(tmp_path, lines):
    recorded = {"torn_lines": [], "missing": 0, "expected": "a" * 64}
    lines = [*lines[:3], follow(lines[:3], "audit.resumed", recorded)]
    text = "it was changed while the gateway was not running"
    assert finding(verified(tmp_path, lines)) == (3, "changed", text)


def test_torn_lines_recorded_at_start(tmp_path, lines):
    recorded = {"torn_lines": [line_hash(b"one"), line_hash(b"two")], "missing": 0}
    whole = [*lines[:3], b"one", b"two", follow(lines[:3], "audit.resumed", recorded)]
    verdict = verified(tmp_path, whole)
    assert (verdict.tampering, verdict.torn_lines, verdict.lines) == (None, 2, 4)
    del whole[3]
    assert finding(verified(tmp_path, whole))[:2] == (4, "inserted")


@pytest.mark.parametrize("missing", [None, True, "2", 1])
def test_other_number_of_missing_lines(tmp_path, lines, missing):
    """Missing lines are accepted only if the start recorded their number."""
    data = {"torn_lines": [], "missing": missing}
    lines = [*lines[:3], follow(lines[:3], "audit.resumed", data, skipped=2)]
    assert finding(verified(tmp_path, lines)) == (4, "changed", "its number is 6; 4 is expected")


def test_lost_line_end_in_between(tmp_path, lines):
    (tmp_path / "audit-000000000001.jsonl").write_bytes(b"\n".join(lines[:3]))
    verdict = verified(tmp_path, lines[3:])
    assert finding(verdict) == (3, "changed", "its line end is missing")
    assert verdict.tampering.file.name == "audit-000000000001.jsonl"
    assert verdict.files == 2


def pruning(lines: list[bytes], upto: int) -> dict:
    return {"first": 1, "last": upto, "sha256": line_hash(lines[upto - 1])}


def test_recorded_pruning(tmp_path, lines):
    recorded = [*lines, follow(lines, "audit.pruned", pruning(lines, 3))]
    recorded.append(follow(recorded, "audit.checkpoint", {}, sign=SIGN))
    verdict = verified(tmp_path, recorded[3:])
    assert (verdict.tampering, verdict.pruned, verdict.first.n, verdict.last_verified.n) == (None, 3, 4, 9)


def test_unsigned_pruning(tmp_path, lines):
    recorded = [*lines, follow(lines, "audit.pruned", pruning(lines, 3))]
    text = "lines 1 to 3 are missing, and no signature confirms that they were pruned"
    assert finding(verified(tmp_path, recorded[3:])) == (1, "removed", text)
    assert verify(tmp_path).tampering is None


@pytest.mark.parametrize("wrong", [{"last": 2}, {"sha256": "a" * 64}])
def test_pruning_of_other_lines(tmp_path, lines, wrong):
    recorded = [*lines, follow(lines, "audit.pruned", pruning(lines, 3) | wrong)]
    recorded.append(follow(recorded, "audit.checkpoint", {}, sign=SIGN))
    assert finding(verified(tmp_path, recorded[3:]))[1] == "removed"


def test_word_alone_is_no_pruning(tmp_path, lines):
    """A line of another type that contains the word records no pruning."""
    data = pruning(lines, 3) | {"word": "audit.pruned"}
    recorded = [*lines, follow(lines, "x", data)]
    recorded.append(follow(recorded, "audit.checkpoint", {}, sign=SIGN))
    assert finding(verified(tmp_path, recorded[3:]))[1] == "removed"
    assert json.loads(recorded[-2])["data"]["last"] == 3
