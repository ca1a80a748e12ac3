"""`borderpost audit`: show the audit of this post, and verify it."""

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
from gateway.cli._lib.terminal import DEFAULT_CONFIG
from gateway.cli._render.device import local_time
from gateway.cli.audit_export import export


class _ShownUnlessNamed(TyperGroup):
    """Command group: `borderpost audit [CONFIG]` shows the audit; other subcommands are named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert `show` if no subcommand is named."""
        if not args or args[0] not in {*self.commands, "--help"}:
            args = ["show", *args]
        parsed: list[str] = super().parse_args(ctx, args)
        return parsed


app = typer.Typer(
    cls=_ShownUnlessNamed,
    help="Show and verify the audit of commands, claims and technicians' operations.",
    add_completion=False,
)


@app.command()
def show(
    config: PostFile = DEFAULT_CONFIG,
    limit: Annotated[
        int, typer.Option("-n", "--limit", min=1, max=10_000, help="Maximum number of records.")
    ] = 50,
    as_json: AsJson = False,
) -> None:
    """Show the audit, the newest record last."""
    entries = request_or_exit(config, f"audit?limit={limit}")
    print_answer(entries[::-1], lambda entries: map(_line, entries), as_json=as_json)


def _line(entry: dict[str, Any]) -> str:
    content = " ".join(
        f"{name}={value}" for name, value in entry["data"].items() if value not in (None, "", [], {})
    )
    return f"{local_time(entry['at'])} {entry['position']} {entry['type']} {content}"


@app.command("verify")
def verify_files(
    config: PostOrFolder = DEFAULT_CONFIG,
    key: PublicKeys = None,
    expect: Annotated[
        list[str] | None,
        typer.Option(
            metavar="N:SHA256", help="Line known from another source, such as an `audit.checkpoint` event."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Verify the audit, and name the first invalid line.

    Exit codes: 0 all lines are verified; 1 nothing is invalid, but not all lines are covered by a signature;
    65 a line is invalid. The gateway need not run.
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
        yield f"lines 1 to {verdict.pruned} were pruned by the gateway, which is recorded"
    if verdict.torn_lines:
        yield f"{verdict.torn_lines} lines were cut off by power failures, which is recorded"
    if verdict.torn_at_end:
        yield "the last line is cut off: the gateway records that at its next start"
    if verdict.tampering is not None:
        wrong = verdict.tampering
        yield f"INVALID {wrong.file}:{wrong.number}: {wrong.kind}: {wrong.text}"
    if not checked:
        yield "signatures were not verified: pass the public key with --key"
    elif verdict.unknown_keys:
        yield f"signed with keys that were not passed: {', '.join(sorted(verdict.unknown_keys))}"
    if checked and verdict.last_verified is not None:
        yield f"verified by {verdict.checkpoints} signatures up to {_where(verdict.last_verified)}"
    if checked and verdict.first_unverified is not None:
        yield (
            f"not verified since {_where(verdict.first_unverified)}: no signature covers these "
            "lines or their end"
        )
    elif checked and verdict.tampering is None:
        yield "complete and unchanged"


def _where(line: AuditLine) -> str:
    return f"line {line.n} of {local_time(line.at)}"


def _to_json(verdict: VerificationResult) -> dict[str, Any]:
    wrong = verdict.tampering

    def place(line: AuditLine | None) -> dict[str, Any] | None:
        return {"line": line.n, "at": line.at, "sha256": line.digest} if line is not None else None

    return {
        "lines": verdict.lines,
        "files": verdict.files,
        "first": place(verdict.first),
        "last": place(verdict.last),
        "checkpoints": verdict.checkpoints,
        "last_verified": place(verdict.last_verified),
        "unverified_since": place(verdict.first_unverified),
        "unknown_keys": sorted(verdict.unknown_keys),
        "pruned": verdict.pruned,
        "torn_lines": verdict.torn_lines,
        "torn_at_end": verdict.torn_at_end,
        "tampering": wrong
        and {"file": str(wrong.file), "line": wrong.number, "kind": wrong.kind, "text": wrong.text},
    }
