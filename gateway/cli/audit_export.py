"""`borderpost audit export`: extract of the audit for a breach notice or a data subject's request."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from gateway.audit.breach_report import BreachReport, build_report
from gateway.audit.hash_chain import AuditLine, audit_files, parse_line, read_lines
from gateway.audit.verify import VerificationResult
from gateway.cli._lib.api_client import AsJson
from gateway.cli._lib.audit_folder import PostOrFolder, PublicKeys, find_audit_dir, verify_or_exit
from gateway.cli._lib.terminal import DEFAULT_CONFIG, console
from gateway.cli._render.device import local_time
from gateway.common.printable import printable
from gateway.contract.envelope import to_rfc3339

TIME_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]


def export(
    config: PostOrFolder = DEFAULT_CONFIG,
    *,
    since: Annotated[
        datetime, typer.Option("--from", formats=TIME_FORMATS, help="Begin of the period, local time.")
    ],
    until: Annotated[
        datetime, typer.Option("--to", formats=TIME_FORMATS, help="End of the period, local time, exclusive.")
    ],
    session: Annotated[
        str | None, typer.Option(help="Only this transaction of a traveller, or this session of the gateway.")
    ] = None,
    key: PublicKeys = None,
    as_json: AsJson = False,
) -> None:
    """List the kinds of data handled in a period: how often, commands by station, recipients.

    The audit holds no data of documents or fingers, so the extract holds none.
    """
    folder = find_audit_dir(config)
    verdict = verify_or_exit(folder, key)
    found = build_report(_lines(folder), _utc(since), _utc(until), session)
    if verdict.tampering is not None:
        wrong = verdict.tampering
        found.incomplete.insert(0, f"the audit is invalid at {wrong.file.name}:{wrong.number}: {wrong.text}")
    elif verdict.first_unverified is not None:
        found.incomplete.append(f"no signature was verified for lines since {verdict.first_unverified.at}")
    if as_json:
        typer.echo(json.dumps(found.to_json() | {"record": _record(verdict)}, ensure_ascii=False))
        return
    for table in _tables(found):
        console.print(table)
    for text in found.incomplete:
        console.print(f"! {text}", markup=False, soft_wrap=True)


def _lines(folder: Path) -> Iterator[AuditLine]:
    for file in audit_files(folder):
        for row in read_lines(file):
            if (line := parse_line(row.raw)) is not None:
                yield line


def _utc(moment: datetime) -> str:
    """Return a moment of the machine's local time as the audit writes it."""
    return to_rfc3339(int(moment.timestamp()) * 1_000_000_000)


def _record(verdict: VerificationResult) -> dict[str, object]:
    issue, last = verdict.tampering, verdict.last_verified
    return {
        "tampering": f"{issue.file.name}:{issue.number}: {issue.text}" if issue is not None else None,
        "verified_until": last.at if last is not None else None,
    }


def _tables(report: BreachReport) -> Iterator[Table]:
    summary = Table(box=None, pad_edge=False, show_header=False)
    plain = report.to_json()
    for name, content in (
        ("period", f"{local_time(report.since)} to {local_time(report.until)}"),
        ("kinds of data", "\n".join(plain["data_classes"]) or "no personal data"),
        ("travellers", f"at most {report.max_transactions}: the number of reads"),
        ("recipients", "\n".join(report.recipients)),
        ("sessions", "\n".join(f"{run['at']} {run.get('profile', '')}" for run in report.runs) or "none"),
    ):
        summary.add_row(name, _printable(content))
    yield summary
    if report.reads:
        yield _table(
            ("device", "kind", "reads"),
            (
                (position, family, str(reads))
                for family, counted in sorted(report.reads.items())
                for position, reads in sorted(counted.items())
            ),
        )
    if report.actors:
        yield _table(
            ("actor", "kind", "from", "to", "positions", "operations"),
            (
                (
                    person.name,
                    person.kind,
                    local_time(person.first),
                    local_time(person.last),
                    ", ".join(sorted(person.positions)),
                    ", ".join(f"{times} x {what}" for what, times in sorted(person.operations.items())),
                )
                for _, person in sorted(report.actors.items())
            ),
        )
    if report.reveals:
        yield _table(
            ("bytes revealed", "to", "position", "reason"),
            (
                (local_time(each["at"]), each["who"], each["position"], each["reason"])
                for each in report.reveals
            ),
        )
    if report.transactions:
        yield _table(
            ("transaction", "from", "to", "positions", "commanded by"),
            (
                (
                    each.transaction,
                    local_time(each.first),
                    local_time(each.last),
                    ", ".join(sorted(each.positions)),
                    ", ".join(sorted(each.who)),
                )
                for each in report.transactions.values()
            ),
        )


def _table(headings: tuple[str, ...], lines: Iterator[tuple[str, ...]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for line in lines:
        table.add_row(*map(_printable, line))
    return table


def _printable(text: str) -> Text:
    """Return text of an audit file, which others may have written, without terminal control characters."""
    return Text(printable(text, keep="\n"))
