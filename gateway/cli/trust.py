"""`borderpost trust`: a post's own authority, who has a certificate of it, and what each may do."""

import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer

from gateway.cli._lib.terminal import console, fail
from gateway.config import ConfigError
from gateway.pki.ca import NoPassphraseError, PostAuthority
from gateway.pki.inventory import Hall, load_description
from gateway.pki.keys import UnusableKeyError
from gateway.pki.store import SOON, Entry, NoFolderError, TrustFolder, due, left
from gateway.pki.store import init as make
from gateway.pki.verify import broken

app = typer.Typer(
    help="The post's own authority: who is known at its broker, and what each may do.", no_args_is_help=True
)

Description = Annotated[
    Path,
    typer.Option(
        "--description",
        "-d",
        envvar="BORDERPOST_TRUST",
        help="The file that says who is known at the broker.",
    ),
]
Folder = Annotated[Path, typer.Option("--folder", "-f", help="The authority's folder.")]
Passphrase = Annotated[
    Path | None, typer.Option("--passphrase-file", help="File with the passphrase of the authority's key.")
]
Broker = Annotated[
    Path | None,
    typer.Option("--broker", help="Where Mosquitto finds its files on this machine: they are put there too."),
]
Days = Annotated[int, typer.Option(min=1, max=1825, help="How long certificates are in force, in days.")]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable.")]

AT = Path("/etc/borderpost/trust.toml")
INTO = Path("/etc/borderpost/authority")
LIVES_DAYS = 365
HANG_UP = "Mosquitto: sudo systemctl reload mosquitto; restart it to hang up on who is connected now."


@app.command()
def init(
    description: Description = AT,
    folder: Folder = INTO,
    days: Days = LIVES_DAYS,
    passphrase_file: Passphrase = None,
    broker: Broker = None,
    as_json: AsJson = False,
) -> None:
    """Make an authority, and keys, certificates and rights for everybody that the description names."""
    hall = _hall(description)
    try:
        made = make(folder, hall, days=days, passphrase=_word(passphrase_file))
    except FileExistsError:
        fail(
            f"{folder} is there already, and an authority is never made over\n"
            "    borderpost trust renew brings it up to date; for a new one name another folder",
            os.EX_CANTCREAT,
        )
    except OSError as error:
        _unwritable(folder, error)
    _hand_over(made, broker)
    _tell(made.entries, "issued", as_json=as_json)
    if not as_json:
        _say(f"Authority in {folder}: keep ca.key there alone, and a copy of it in the safe.")
        _say("Each folder in it goes to its owner's machine, broker/ to Mosquitto (--broker does that).")


@app.command()
def renew(
    names: Annotated[
        list[str] | None, typer.Argument(help="Who gets a new certificate in any case, the revoked too.")
    ] = None,
    description: Description = AT,
    folder: Folder = INTO,
    days: Days = LIVES_DAYS,
    passphrase_file: Passphrase = None,
    broker: Broker = None,
    as_json: AsJson = False,
) -> None:
    """Bring an authority up to date with its description.

    Issues what is missing, broken, or ends within 60 days, revokes who is not described any more, and writes
    the broker's and the gateways' files anew.
    """
    hall, kept = _hall(description), _opened(folder)
    authority = _authority(kept, passphrase_file)
    wanted = list(names or ())
    for name in wanted:
        if name not in hall.parties and name != "broker":
            fail(f"nobody is named {name} in {description}", os.EX_USAGE)
    now = datetime.now(UTC)
    try:
        # Every certificate ends with its authority, at the latest: those are not renewed for nothing.
        before = min(now + SOON, authority.certificate.not_valid_after_utc - timedelta(seconds=1))
        wanted += [name for name in due(kept, hall, broken(kept), before) if name not in wanted]
        revoked = kept.revoke(left(kept, hall), "left", now)
        had = len(kept.entries)
        kept.issue(authority, hall, wanted, days)
        kept.spread(authority, hall)
    except OSError as error:
        _unwritable(folder, error)
    _hand_over(kept, broker)
    _tell([*kept.entries[had:], *revoked], "renewed", as_json=as_json)
    if not as_json:
        _say(HANG_UP if wanted or revoked else "Nobody needed a new certificate; all files are written anew.")


@app.command()
def revoke(
    names: Annotated[list[str], typer.Argument(help="Whose certificates are not to be trusted any more.")],
    why: Annotated[
        Literal["lost", "left", "replaced"],
        typer.Option(help="The key was lost, they left, or it was replaced."),
    ] = "lost",
    description: Description = AT,
    folder: Folder = INTO,
    passphrase_file: Passphrase = None,
    broker: Broker = None,
    as_json: AsJson = False,
) -> None:
    """Revoke everything that somebody has, and take their rights at the broker and the gateways.

    Until `borderpost trust renew NAME` gives them a new certificate.
    """
    hall, kept = _hall(description), _opened(folder)
    authority = _authority(kept, passphrase_file)
    for name in names:
        if name not in kept.latest():
            fail(f"{folder} has issued nothing to {name}", os.EX_USAGE)
    try:
        revoked = kept.revoke(names, why, datetime.now(UTC))
        kept.spread(authority, hall)
    except OSError as error:
        _unwritable(folder, error)
    _hand_over(kept, broker)
    _tell(revoked, "revoked", as_json=as_json)
    if not as_json:
        there = "" if broker else f"{folder}/broker to the broker, and "
        _say(f"Take {there}roles.toml to the gateways. {HANG_UP}")


@app.command()
def show(description: Description = AT, folder: Folder = INTO, as_json: AsJson = False) -> None:
    """Show who has a certificate until when, and everything that was changed or is about to end.

    Exit codes: 0 all is in force and as it was issued, 65 something is not.
    """
    from gateway.diagnostics.checks.ca import look_at_folder
    from gateway.diagnostics.findings import worst_first

    kept = _opened(folder)
    hall = _hall(description) if description.exists() else None
    try:
        findings = worst_first(look_at_folder(kept, datetime.now(UTC), hall))
    except OSError as error:
        fail(f"{error.filename} cannot be read: {error.strerror}", os.EX_NOPERM)
    wrong = [finding for finding in findings if finding.severity != "ok"]
    if as_json:
        told: dict[str, Any] = {
            "certificates": [entry.noted() for entry in kept.latest().values()],
            "findings": [finding.model_dump(mode="json") for finding in wrong],
        }
        typer.echo(json.dumps(told, ensure_ascii=False))
    else:
        for entry in kept.latest().values():
            _say(_line(entry))
        for finding in wrong:
            _say(f"{finding.severity}: {finding.text}")
            _say(f"    {finding.how}")
    raise typer.Exit(os.EX_DATAERR if any(finding.severity == "error" for finding in wrong) else os.EX_OK)


def _hand_over(folder: TrustFolder, broker: Path | None) -> None:
    if broker is None:
        return
    try:
        folder.hand_over(broker)
    except LookupError:
        fail("there is no group mosquitto: sudo apt install mosquitto", os.EX_UNAVAILABLE)
    except OSError as error:
        _unwritable(broker, error)


def _hall(description: Path) -> Hall:
    try:
        return load_description(description)
    except ConfigError as error:
        fail(str(error), error.exit_code)


def _opened(folder: Path) -> TrustFolder:
    try:
        return TrustFolder.open(folder)
    except NoFolderError as error:
        fail(f"{error}\n    borderpost trust init makes one", os.EX_NOINPUT)
    except OSError as error:
        fail(f"{folder} cannot be read: {error.strerror}", os.EX_NOPERM)


def _authority(folder: TrustFolder, passphrase_file: Path | None) -> PostAuthority:
    try:
        return folder.authority(_word(passphrase_file))
    except NoPassphraseError as error:
        fail(f"{error}\n    give it with --passphrase-file", os.EX_NOPERM)
    except UnusableKeyError as error:
        fail(f"{folder.path}: {error}\n    bring back the copy from the safe", os.EX_DATAERR)
    except OSError as error:
        fail(f"{error.filename} cannot be read: {error.strerror}", os.EX_NOPERM)


def _word(file: Path | None) -> bytes | None:
    """A passphrase; a final line end is not part of it."""
    if file is None:
        return None
    try:
        word = file.read_bytes().rstrip(b"\r\n")
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}", os.EX_NOINPUT)
    return word or fail(f"{file} is empty", os.EX_DATAERR)


def _tell(entries: Iterable[Entry], did: str, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({did: [entry.noted() for entry in entries]}))
        return
    for entry in entries:
        _say(_line(entry))


def _line(entry: Entry) -> str:
    how = (
        f"revoked {entry.revoked:%Y-%m-%d} ({entry.why})" if entry.revoked else f"until {entry.ends:%Y-%m-%d}"
    )
    return f"{entry.name:<24} {entry.kind:<11} {how}"


def _unwritable(folder: Path, error: OSError) -> NoReturn:
    fail(f"{error.filename or folder} cannot be written: {error.strerror}", os.EX_CANTCREAT)


def _say(text: str) -> None:
    console.print(text, markup=False, soft_wrap=True)
