"""`borderpost audit verify` and `export`: output and exit codes."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from gateway.audit.hash_chain import AUDIT_FILE, CHAIN_HEAD_FILE, parse_line
from gateway.audit.writer import AuditRecord, AuditWriter
from gateway.cli import app
from gateway.diagnostics.checks.audit import check_audit
from gateway.pki.jws import Signer
from gateway.pki.keys import make_signing_key

GATEWAY = "_gw/gw-1"
RUN = {"session": "5e55", "version": "1", "profile": "production", "traveller_to_hq": True}


def at(minute: int) -> str:
    return f"2026-11-28T{8 + minute // 60:02d}:{minute % 60:02d}:00.000000Z"


def decided(
    minute: int, station: str, verb: str, transaction: str, decision: str = "accepted"
) -> AuditRecord:
    data = {"station": station, "verb": verb, "decision": decision, "count": 1}
    return AuditRecord(at(minute), "lane-1/barrier", "command.decided", data, transaction)


@pytest.fixture
def _in_utc() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def folder(tmp_path: Path, _in_utc: None) -> Path:
    """An audit of a day: two hours of reads, two stations, a technician who revealed a trace."""
    audit = AuditWriter(tmp_path, GATEWAY, Signer(make_signing_key(tmp_path)).sign)
    seen = {
        "user": "amina",
        "role": "technician",
        "channel": "socket",
        "operation": "trace_reveal",
        "reason": "vendor asks",
    }
    notes = [
        AuditRecord(at(0), GATEWAY, "gateway.started", RUN),
        decided(5, "lane-1", "open", "t-1"),
        AuditRecord(
            at(60),
            GATEWAY,
            "traveller.reads",
            {"from": at(1), "reads": {"passport_reader": {"lane-1/reader": 7}}},
        ),
        decided(70, "lane-1", "open", "t-2"),
        decided(71, "lane-2", "open", "t-2", "rejected"),
        AuditRecord(at(72), "lane-1/reader", "technician.operation", seen),
        AuditRecord(
            at(120),
            GATEWAY,
            "traveller.reads",
            {
                "from": at(61),
                "reads": {"passport_reader": {"lane-1/reader": 3}, "camera": {"lane-1/camera": 2}},
            },
        ),
        AuditRecord(at(121), GATEWAY, "gateway.stopped", {}),
    ]
    audit.write(notes, at(121))
    audit.write_checkpoint("stop", at(121))
    return tmp_path


def run(*words: object) -> Result:
    return CliRunner().invoke(app, ["audit", *map(str, words)], env={"COLUMNS": "160"})


def exported(folder: Path, *more: object) -> dict:
    window = ("--from", "2026-11-28T09:05", "--to", "2026-11-28T10:01")
    ended = run("export", folder, *window, "--json", *more)
    assert ended.exit_code == 0, ended.output
    return json.loads(ended.stdout)


def test_verify_exit_codes(folder: Path) -> None:
    key = ("--key", folder / "signing.pub")
    whole = run("verify", folder, *key)
    assert (whole.exit_code, whole.stdout.splitlines()[-1]) == (0, "complete and unchanged")
    known = parse_line((folder / AUDIT_FILE).read_bytes().splitlines()[2])
    assert known is not None
    assert run("verify", folder, *key, "--expect", f"3:{known.digest}").exit_code == 0
    assert run("verify", folder, *key, "--expect", f"4:{known.digest}").exit_code == os.EX_DATAERR
    assert run("verify", folder, *key, "--expect", f"99:{known.digest}").exit_code == os.EX_DATAERR
    assert run("verify", folder, *key, "--expect", "last").exit_code == os.EX_USAGE
    unchecked = run("verify", folder)
    assert (unchecked.exit_code, "--key" in unchecked.stdout) == (1, True)

    assert [finding.severity for finding in check_audit(Path("post.toml"), folder)] == ["ok"]
    (folder / AUDIT_FILE).write_bytes((folder / AUDIT_FILE).read_bytes().replace(b'"t-2"', b'"t-9"', 1))
    wrong = run("verify", folder, *key)
    assert wrong.exit_code == os.EX_DATAERR
    assert f"INVALID {folder / AUDIT_FILE}:4: changed" in wrong.stdout.replace("\n", "")
    assert json.loads(run("verify", folder, *key, "--json").stdout)["tampering"]["line"] == 4
    (finding,) = check_audit(Path("post.toml"), folder)
    assert (finding.code, finding.severity) == ("audit_verification_failed", "error")
    assert finding.text.startswith("Line 4 of audit.jsonl is invalid (changed)")
    assert exported(folder)["incomplete"][0].startswith("the audit is invalid at audit.jsonl:4")
    assert run("verify", folder, "--key", folder / "signing.key").exit_code == os.EX_USAGE
    (folder / AUDIT_FILE).unlink()
    assert run("verify", folder).exit_code == os.EX_DATAERR  # its last line is known elsewhere
    (folder / CHAIN_HEAD_FILE).unlink()
    assert not [*check_audit(Path("post.toml"), folder)]
    assert run("verify", folder).exit_code == os.EX_NOINPUT


def test_export_of_window(folder: Path) -> None:
    found = exported(folder, "--key", folder / "signing.pub")
    assert found["sessions_at_most"] == 5
    assert found["reads"] == {"camera": {"lane-1/camera": 2}, "passport_reader": {"lane-1/reader": 3}}
    assert len(found["data_classes"]) == 2
    assert "headquarters" in found["recipients"]
    assert [(one["who"], one["did"]) for one in found["people"]] == [
        ("lane-1", {"open": 1}),
        ("lane-2", {"open refused": 1}),
        ("amina", {"trace_reveal": 1}),
    ]
    assert [(one["transaction"], one["who"]) for one in found["sessions"]] == [("t-2", ["lane-1", "lane-2"])]
    assert found["wires_revealed"][0]["reason"] == "vendor asks"
    assert found["incomplete"] == ["part of these reads was before the window"]
    assert found["record"]["tampering"] is None
    table = run("export", folder, "--from", "2026-11-28", "--to", "2026-11-29").stdout
    assert "at most 12" in table
    assert "vendor asks" in table


def test_export_of_one_session(folder: Path) -> None:
    window = ("--from", "2026-11-28", "--to", "2026-11-29", "--json")
    one = json.loads(run("export", folder, *window, "--session", "t-1").stdout)
    assert [person["who"] for person in one["people"]] == ["lane-1"]
    assert one["audit_lines"] == 1
    assert json.loads(run("export", folder, *window, "--session", "5e55").stdout)["audit_lines"] > 5


def test_export_names_run_without_checkpoint(folder: Path) -> None:
    audit = AuditWriter(folder, GATEWAY, None)
    audit.write(
        [
            AuditRecord(at(130), GATEWAY, "gateway.started", RUN),
            AuditRecord(at(140), GATEWAY, "gateway.started", RUN),
        ],
        at(140),
    )
    found = json.loads(run("export", folder, "--from", "2026-11-28", "--to", "2026-11-29", "--json").stdout)
    assert (
        f"the run before {at(140)} ended without a checkpoint: up to an hour of reads is not counted"
        in found["incomplete"]
    )
    running = "the gateway is running: reads since its last checkpoint are not counted yet"
    assert running in found["incomplete"]
