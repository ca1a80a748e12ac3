"""`borderpost audit`: who commanded, claimed or did what at this post, and whether that record is whole."""

import json
import os
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from gateway.audit.hash_chain import AuditLine
from gateway.audit.verify import VerificationResult
from gateway.cli._lib.api_client import AsJson, print_answer, request_or_exit
from gateway.cli._lib.arguments import PostFile
from gateway.cli._lib.audit_folder import PostOrFolder, PublicKeys, find_audit_dir, verify_or_exit
from gateway.cli._lib.render_device import local_time
from gateway.cli._lib.terminal import DEFAULT_CONFIG
from gateway.cli.audit_export import export


class _ShownUnlessNamed(TyperGroup):
    """`borderpost audit [CONFIG]` shows; what else can be done with an audit is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `show` where no command is named."""
        if not args or args[0] not in {*self.commands, "--help"}:
            args = ["show", *args]
        parsed: list[str] = super().parse_args(ctx, args)
        return parsed


app = typer.Typer(
    cls=_ShownUnlessNamed,
    help="The record of commands, claims and technicians' orders, and whether it is whole.",
    add_completion=False,
)


@app.command()
def show(
    config: PostFile = DEFAULT_CONFIG,
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, max=10_000, help="So many at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show the record, the newest last."""
    entries = request_or_exit(config, f"audit?limit={limit}")
    print_answer(entries[::-1], lambda entries: map(_line, entries), as_json=as_json)


def _line(entry: dict[str, Any]) -> str:
    said = " ".join(
        f"{name}={value}" for name, value in entry["data"].items() if value not in (None, "", [], {})
    )
    return f"{local_time(entry['at'])} {entry['position']} {entry['type']} {said}"


@app.command("verify")
def verify_files(
    config: PostOrFolder = DEFAULT_CONFIG,
    key: PublicKeys = None,
    expect: Annotated[
        list[str] | None,
        typer.Option(
            metavar="N:SHA256", help="A line known from elsewhere: `audit.checkpoint` events tell some."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say whether the record is as it was written, and name the first line that is not.

    Ends with 0: all of it is proved; 1: nothing is wrong, but not all is proved by a signature; 65: a line is
    wrong. The gateway need not run.
    """
    verdict = verify_or_exit(find_audit_dir(config), key, expect or ())
    if as_json:
        typer.echo(json.dumps(_to_json(verdict)))
    else:
        for line in _sentences(verdict, checked=bool(key)):
            typer.echo(line)
    if verdict.tampering is not None:
        raise typer.Exit(os.EX_DATAERR)
    raise typer.Exit(1 if verdict.first_unverified is not None or verdict.torn_at_end else os.EX_OK)


app.command("export")(export)


def _sentences(verdict: VerificationResult, *, checked: bool) -> Iterator[str]:
    if verdict.first is not None and verdict.last is not None:
        span = f"{_where(verdict.first)} to {_where(verdict.last)}"
        yield f"{verdict.lines} lines in {verdict.files} files, {span}"
    if verdict.pruned:
        yield f"lines 1 to {verdict.pruned} were let go by the gateway, which is on record"
    if verdict.torn_lines:
        yield f"{verdict.torn_lines} lines were left half by power cuts, which is on record"
    if verdict.torn_at_end:
        yield "the last line is half: the next start of the gateway puts that on record"
    if verdict.tampering is not None:
        wrong = verdict.tampering
        yield f"WRONG {wrong.file}:{wrong.number}: {wrong.kind}: {wrong.text}"
    if not checked:
        yield "signatures were not checked: give the public key with --key"
    elif verdict.unknown_keys:
        yield f"signed with keys that were not given: {', '.join(sorted(verdict.unknown_keys))}"
    if checked and verdict.last_verified is not None:
        yield f"proved by {verdict.checkpoints} signatures up to {_where(verdict.last_verified)}"
    if checked and verdict.first_unverified is not None:
        yield f"unproved since {_where(verdict.first_unverified)}: no signature vouches for it, or for its end"
    elif checked and verdict.tampering is None:
        yield "whole"


def _where(line: AuditLine) -> str:
    return f"line {line.n} of {local_time(line.at)}"


def _to_json(verdict: VerificationResult) -> dict[str, Any]:
    wrong = verdict.tampering

    def place(line: AuditLine | None) -> dict[str, Any] | None:
        return {"n": line.n, "at": line.at, "sha256": line.digest} if line is not None else None

    return {
        "lines": verdict.lines,
        "files": verdict.files,
        "first": place(verdict.first),
        "last": place(verdict.last),
        "checkpoints": verdict.checkpoints,
        "proved": place(verdict.last_verified),
        "unproved_since": place(verdict.first_unverified),
        "unknown_keys": sorted(verdict.unknown_keys),
        "let_go": verdict.pruned,
        "halves": verdict.torn_lines,
        "half_at_end": verdict.torn_at_end,
        "wrong": wrong
        and {"file": str(wrong.file), "line": wrong.number, "kind": wrong.kind, "text": wrong.text},
    }
