"""`borderpost audit export`: what a breach notice, or a person who asks, needs of the record."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from gateway.audit.breach_report import Extract, extract
from gateway.audit.hash_chain import Line, audit_files, parse, rows
from gateway.audit.verify import Verdict
from gateway.cli._lib.api_client import AsJson
from gateway.cli._lib.audit_folder import PostOrFolder, PublicKeys, folder_of, verdict_of
from gateway.cli._lib.render_device import local_time
from gateway.cli._lib.terminal import DEFAULT_CONFIG, console
from gateway.contract.envelope import timestamp

SPELLED = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]


def export(
    config: PostOrFolder = DEFAULT_CONFIG,
    *,
    since: Annotated[
        datetime, typer.Option("--from", formats=SPELLED, help="Begin of the window, local time.")
    ],
    until: Annotated[
        datetime, typer.Option("--to", formats=SPELLED, help="End of the window, local time; not in it.")
    ],
    session: Annotated[
        str | None, typer.Option(help="Only this transaction of a traveller, or this run of the gateway.")
    ] = None,
    key: PublicKeys = None,
    as_json: AsJson = False,
) -> None:
    """Say which kinds of data were handled in a window, how often, who commanded what, who got it.

    Nothing that a document or a finger said is in the record, so nothing of it is here.
    """
    folder = folder_of(config)
    verdict = verdict_of(folder, key)
    found = extract(_lines(folder), _utc(since), _utc(until), session)
    if verdict.wrong is not None:
        wrong = verdict.wrong
        found.incomplete.insert(0, f"the record is wrong at {wrong.file.name}:{wrong.number}: {wrong.text}")
    elif verdict.unproved is not None:
        found.incomplete.append(f"no signature was checked for what is since {verdict.unproved.at}")
    if as_json:
        typer.echo(json.dumps(found.plain() | {"record": _record(verdict)}, ensure_ascii=False))
        return
    for table in _tables(found):
        console.print(table)
    for text in found.incomplete:
        console.print(f"! {text}", markup=False, soft_wrap=True)


def _lines(folder: Path) -> Iterator[Line]:
    for file in audit_files(folder):
        for row in rows(file):
            if (line := parse(row.raw)) is not None:
                yield line


def _utc(moment: datetime) -> str:
    """A moment of the machine's local time as the record spells it."""
    return timestamp(int(moment.timestamp()) * 1_000_000_000)


def _record(verdict: Verdict) -> dict[str, object]:
    wrong, proved = verdict.wrong, verdict.proved
    return {
        "wrong": f"{wrong.file.name}:{wrong.number}: {wrong.text}" if wrong is not None else None,
        "proved_until": proved.at if proved is not None else None,
    }


def _tables(found: Extract) -> Iterator[Table]:
    summary = Table(box=None, pad_edge=False, show_header=False)
    plain = found.plain()
    for name, said in (
        ("window", f"{local_time(found.since)} to {local_time(found.until)}"),
        ("kinds of data", "\n".join(plain["data_classes"]) or "none about persons"),
        ("travellers", f"at most {found.most_sessions}: so often something was read"),
        ("recipients", "\n".join(found.recipients)),
        ("runs", "\n".join(f"{run['at']} {run.get('profile', '')}" for run in found.runs) or "none"),
    ):
        summary.add_row(name, _printable(said))
    yield summary
    if found.reads:
        yield _table(
            ("device", "kind", "reads"),
            (
                (position, family, str(reads))
                for family, counted in sorted(found.reads.items())
                for position, reads in sorted(counted.items())
            ),
        )
    if found.people:
        yield _table(
            ("who", "as", "from", "to", "where", "did"),
            (
                (
                    person.who,
                    person.kind,
                    local_time(person.first),
                    local_time(person.last),
                    ", ".join(sorted(person.positions)),
                    ", ".join(f"{times} x {what}" for what, times in sorted(person.did.items())),
                )
                for _, person in sorted(found.people.items())
            ),
        )
    if found.revealed:
        yield _table(
            ("wire seen", "by", "where", "reason"),
            (
                (local_time(each["at"]), each["who"], each["position"], each["reason"])
                for each in found.revealed
            ),
        )
    if found.sessions:
        yield _table(
            ("session", "from", "to", "where", "commanded by"),
            (
                (
                    each.transaction,
                    local_time(each.first),
                    local_time(each.last),
                    ", ".join(sorted(each.positions)),
                    ", ".join(sorted(each.who)),
                )
                for each in found.sessions.values()
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
    """What stands in a file that somebody may have written to, without what would steer a terminal."""
    return Text("".join(c if c.isprintable() or c == "\n" else "?" for c in text))
