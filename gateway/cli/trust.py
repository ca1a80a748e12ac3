"""`borderpost trust`: the post's own certificate authority, its principals, their rights, and their keys."""

import json
import os
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer

from gateway.cli._lib.arguments import KeyCommand
from gateway.cli._lib.passphrase import VARIABLE, asked_passphrase, given_passphrase, new_passphrase
from gateway.cli._lib.terminal import console, exit_with
from gateway.common.public_keys import format_public_key, key_id
from gateway.config import ConfigError
from gateway.pki.acl import GENERATED_HEADER
from gateway.pki.browsers import hashed, new_word
from gateway.pki.ca import CertificateAuthority, NoPassphraseError
from gateway.pki.inventory import AUTHORITY_KEY, Deployment, load_deployment
from gateway.pki.keys import UnusableKeyError, make_station_key, read_public_key
from gateway.pki.role_keys import KeyChangeError, StationKeyRecord
from gateway.pki.role_keys import enrol as enrol_in_file
from gateway.pki.role_keys import revoke as revoke_in_file
from gateway.pki.store import (
    RENEW_BEFORE,
    BrowserLogin,
    CertificateRecord,
    CertificateStore,
    StoreNotFoundError,
    names_to_renew,
    stale_names,
)
from gateway.pki.store import init as init_store
from gateway.pki.verify import unusable_names

app = typer.Typer(
    help="Manage the post's own certificate authority: principals at its broker, and their rights.",
    no_args_is_help=True,
)

Description = Annotated[
    Path,
    typer.Option(
        "--description",
        "-d",
        envvar="BORDERPOST_TRUST",
        help="File that describes the principals.",
    ),
]
Folder = Annotated[Path, typer.Option("--folder", "-f", help="Folder of the certificate authority.")]
Passphrase = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        help=f"File with the passphrase of the CA key; else {VARIABLE}, else it is asked on the terminal.",
    ),
]
NoPassphrase = Annotated[
    bool,
    typer.Option("--no-passphrase", help="Store the CA key unencrypted; the doctor warns about it."),
]
Broker = Annotated[
    Path | None,
    typer.Option("--broker", help="Folder of Mosquitto on this machine: copy its files there too."),
]
Days = Annotated[int, typer.Option(min=1, max=1825, help="Lifetime of certificates in days.")]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable.")]
RolesOption = Annotated[
    Path | None,
    typer.Option("--roles", help="Role file of a post without an authority, which is changed in place."),
]

DEFAULT_DESCRIPTION = Path("/etc/borderpost/trust.toml")
DEFAULT_STORE_DIR = Path("/etc/borderpost/authority")
CERTIFICATE_DAYS = 365
RELOAD_HINT = (
    "Mosquitto: sudo systemctl reload mosquitto; restart it to disconnect clients that are connected now."
)


@app.command()
def init(
    description: Description = DEFAULT_DESCRIPTION,
    folder: Folder = DEFAULT_STORE_DIR,
    days: Days = CERTIFICATE_DAYS,
    passphrase_file: Passphrase = None,
    no_passphrase: NoPassphrase = False,
    broker: Broker = None,
    as_json: AsJson = False,
) -> None:
    """Create a certificate authority, and keys, certificates and rights for every described principal.

    The key of the authority is encrypted with a passphrase, which `renew` and `revoke` need again.
    """
    deployment = _load_deployment(description)
    word = new_passphrase(passphrase_file, without=no_passphrase)
    try:
        made = init_store(folder, deployment, days=days, passphrase=word)
    except FileExistsError:
        exit_with(
            f"{folder} exists already and is not overwritten\n"
            "    borderpost trust renew brings it up to date; for a new authority name another folder",
            os.EX_CANTCREAT,
        )
    except OSError as error:
        _unwritable(folder, error)
    _hand_over(made, broker)
    _print_result(made.certificates, "issued", as_json=as_json)
    if not as_json:
        how = "encrypted; keep its passphrase apart from it" if word else "NOT ENCRYPTED"
        _print(f"Authority in {folder}: keep ca.key ({how}) only there, with a copy of it in a safe.")
        _print("Copy each folder in it to its owner's machine, broker/ to Mosquitto (--broker does that).")


@app.command()
def renew(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Principals who get a new certificate in any case, revoked ones included."),
    ] = None,
    description: Description = DEFAULT_DESCRIPTION,
    folder: Folder = DEFAULT_STORE_DIR,
    days: Days = CERTIFICATE_DAYS,
    passphrase_file: Passphrase = None,
    broker: Broker = None,
    as_json: AsJson = False,
) -> None:
    """Bring a certificate authority up to date with its description.

    Issues certificates that are missing, broken, or expire within 60 days, revokes those of principals no
    longer described, and writes the files of the broker and the gateways again.
    """
    deployment, kept = _load_deployment(description), _opened(folder)
    authority = _authority(kept, passphrase_file)
    wanted = list(names or ())
    for name in wanted:
        if name not in deployment.principals and name != "broker":
            exit_with(f"there is no principal {name} in {description}", os.EX_USAGE)
    now = datetime.now(UTC)
    try:
        # A certificate expires with its authority at the latest; such ones are not renewed in vain.
        before = min(now + RENEW_BEFORE, authority.certificate.not_valid_after_utc - timedelta(seconds=1))
        wanted += [
            name
            for name in names_to_renew(kept, deployment, unusable_names(kept), before)
            if name not in wanted
        ]
        revoked = kept.revoke(stale_names(kept, deployment), "left", now)
        had = len(kept.certificates)
        kept.issue(authority, deployment, wanted, days)
        kept.write_derived_files(authority, deployment)
    except OSError as error:
        _unwritable(folder, error)
    _hand_over(kept, broker)
    _print_result([*kept.certificates[had:], *revoked], "renewed", as_json=as_json)
    if not as_json:
        _print(
            RELOAD_HINT
            if wanted or revoked
            else "No certificate had to be renewed; all files are written again."
        )


@app.command()
def revoke(
    names: Annotated[list[str], typer.Argument(help="Principals whose certificates are revoked.")],
    why: Annotated[
        Literal["lost", "left", "replaced"],
        typer.Option(help="Key lost, person left, or device replaced."),
    ] = "lost",
    description: Description = DEFAULT_DESCRIPTION,
    folder: Folder = DEFAULT_STORE_DIR,
    passphrase_file: Passphrase = None,
    broker: Broker = None,
    as_json: AsJson = False,
) -> None:
    """Revoke all certificates and keys of a principal, and its rights at the broker and the gateways.

    `borderpost trust renew NAME` issues a new certificate; a new key is enrolled with `trust enrol`.
    """
    deployment, kept = _load_deployment(description), _opened(folder)
    authority = _authority(kept, passphrase_file)
    for name in names:
        if name not in kept.current_certificates():
            exit_with(f"{folder} has issued no certificate to {name}", os.EX_USAGE)
    try:
        revoked = kept.revoke(names, why, datetime.now(UTC))
        kept.write_derived_files(authority, deployment)
    except OSError as error:
        _unwritable(folder, error)
    _hand_over(kept, broker)
    _print_result(revoked, "revoked", as_json=as_json)
    if not as_json:
        there = "" if broker else f"{folder}/broker to the broker, and "
        _print(f"Copy {there}roles.toml to the gateways. {RELOAD_HINT}")


@app.command()
def passphrase(
    folder: Folder = DEFAULT_STORE_DIR,
    passphrase_file: Passphrase = None,
    new_file: Annotated[
        Path | None, typer.Option("--new-passphrase-file", help="File with the new passphrase; else asked.")
    ] = None,
    no_passphrase: NoPassphrase = False,
) -> None:
    """Encrypt the key of the authority with a new passphrase."""
    kept = _opened(folder)
    authority = _authority(kept, passphrase_file)
    if new_file is None and not no_passphrase and not sys.stdin.isatty():
        exit_with("there is no new passphrase\n    name a file with --new-passphrase-file", os.EX_USAGE)
    word = new_passphrase(new_file, without=no_passphrase)
    try:
        kept.write(AUTHORITY_KEY, authority.key_pem(word))
    except OSError as error:
        _unwritable(folder, error)
    _print(f"{folder / AUTHORITY_KEY} is {'encrypted with the new passphrase' if word else 'NOT ENCRYPTED'}.")
    _print("Replace the copy in the safe, and destroy earlier backups: they keep the earlier passphrase.")


@app.command()
def key(
    file: Annotated[Path, typer.Argument(help="New file of the private key; it stays at the station.")],
    as_json: AsJson = False,
) -> None:
    """Make the key with which a station signs its commands, at the station, and show its public half.

    A browser makes its own: enrol what `crypto.subtle.exportKey("jwk", publicKey)` returns.
    """
    try:
        public = make_station_key(file).public_key()
    except FileExistsError:
        exit_with(f"{file} exists already and is not overwritten", os.EX_CANTCREAT)
    except OSError as error:
        _unwritable(file, error)
    if as_json:
        typer.echo(json.dumps({"kid": key_id(public), "public_key": format_public_key(public)}))
        return
    _print(f"id          {key_id(public)}")
    _print(f"public key  {format_public_key(public)}")
    _print(f"Enrol it at the post: borderpost trust enrol STATION {format_public_key(public)}")


@app.command()
def enrol(
    station: Annotated[str, typer.Argument(help="Station whose commands are signed with the key.")],
    public_key: Annotated[
        str,
        typer.Argument(help="Its public key: the line of `trust key`, or a file (PEM, JWK), or -."),
    ],
    roles: RolesOption = None,
    description: Description = DEFAULT_DESCRIPTION,
    folder: Folder = DEFAULT_STORE_DIR,
    as_json: AsJson = False,
) -> None:
    """Enrol the public key of a station: gateways then execute commands that are signed with it."""
    try:
        record = StationKeyRecord.of(station, read_public_key(*_key_content(public_key)))
        if roles is not None:
            _require_own_file(roles)
            enrol_in_file(roles, record)
            written = [str(roles)]
        else:
            deployment, kept = _load_deployment(description), _opened(folder)
            principal = deployment.principals.get(station)
            if principal is None or principal.kind not in ("station", "supervisor"):
                commanding = [
                    name
                    for name, each in deployment.principals.items()
                    if each.kind in ("station", "supervisor")
                ]
                exit_with(
                    f"{description} has no station {station}\n    it has {', '.join(commanding)}", os.EX_USAGE
                )
            kept.enrol_station_key(record)
            written = [str(folder / file) for file in kept.write_role_files(deployment)]
    except (KeyChangeError, UnusableKeyError) as error:
        exit_with(str(error), os.EX_DATAERR)
    except ConfigError as error:
        exit_with(str(error), error.exit_code)
    except OSError as error:
        _unwritable(roles or folder, error)
    _print_key_change("enrolled", record.kid, station, written, as_json=as_json)


@app.command()
def browser(
    name: Annotated[str, typer.Argument(help="Station, supervisor or technician who works in a browser.")],
    legacy: Annotated[
        bool, typer.Option("--legacy", help="Encrypt the file with 3DES, for Windows Server 2016 and older.")
    ] = False,
    description: Description = DEFAULT_DESCRIPTION,
    folder: Folder = DEFAULT_STORE_DIR,
    broker: Broker = None,
    as_json: AsJson = False,
) -> None:
    """Make what a browser needs at the broker: a PKCS #12 file with its certificate, and a new password.

    Both passwords are shown once. An earlier password of that name ends when Mosquitto reads its files again.
    """
    deployment, kept = _load_deployment(description), _opened(folder)
    principal = deployment.principals.get(name)
    kinds = ("station", "supervisor", "technician")
    if principal is None or principal.kind not in kinds:
        known = [each.name for each in deployment.principals.values() if each.kind in kinds]
        exit_with(
            f"{description} has no station or person {name}\n    it has {', '.join(known)}", os.EX_USAGE
        )
    if deployment.broker.websocket_port is None:
        exit_with(
            f"{description} gives the broker no port for browsers\n"
            "    add websocket_port = 8884 to [broker], and run borderpost trust renew",
            os.EX_CONFIG,
        )
    if name in kept.revoked_names():
        exit_with(
            f"the certificate of {name} is revoked\n    issue another one: borderpost trust renew {name}",
            os.EX_DATAERR,
        )
    file_word, word = new_word(), new_word()
    try:
        files = kept.write_browser_login(name, BrowserLogin(file_word, hashed(word), legacy))
    except FileNotFoundError as error:
        exit_with(
            f"{error.filename} is not here any more\n    issue another one: borderpost trust renew {name}",
            os.EX_NOINPUT,
        )
    except UnusableKeyError as error:
        exit_with(f"{error}\n    issue them again: borderpost trust renew {name}", os.EX_DATAERR)
    except OSError as error:
        _unwritable(folder, error)
    _hand_over(kept, broker)
    if as_json:
        login = {"user": name, "password": word, "file_password": file_word}
        typer.echo(json.dumps({**login, "files": [str(folder / file) for file in files]}))
        return
    _print(
        f"{folder / files[0]}: import it at {name}'s machine, with ca.crt as an authority; then delete it."
    )
    _print(f"password of that file    {file_word}")
    _print(f"password at the broker   {word}   (user name {name})")
    _print("Both are shown only now; the same command makes new ones.")
    there = "" if broker else f"Copy {folder}/broker to the broker. "
    _print(f"{there}{RELOAD_HINT}")


@app.command("revoke-key", cls=KeyCommand)
def revoke_key(
    kid: Annotated[str, typer.Argument(metavar="KEY_ID", help="Id of the key.")],
    why: Annotated[
        Literal["lost", "left", "replaced"],
        typer.Option(help="Key lost, person left, or key replaced."),
    ] = "lost",
    roles: RolesOption = None,
    description: Description = DEFAULT_DESCRIPTION,
    folder: Folder = DEFAULT_STORE_DIR,
    as_json: AsJson = False,
) -> None:
    """Revoke a station's key: commands that are signed with it are refused, and recorded as such."""
    try:
        if roles is not None:
            _require_own_file(roles)
            station, written = revoke_in_file(roles, kid, why), [str(roles)]
        else:
            deployment, kept = _load_deployment(description), _opened(folder)
            station = kept.revoke_station_key(kid, why)
            written = [str(folder / file) for file in kept.write_role_files(deployment)]
    except KeyChangeError as error:
        exit_with(str(error), os.EX_DATAERR)
    except ConfigError as error:
        exit_with(str(error), error.exit_code)
    except OSError as error:
        _unwritable(roles or folder, error)
    _print_key_change("revoked", kid, station, written, as_json=as_json)


@app.command()
def show(
    description: Description = DEFAULT_DESCRIPTION,
    folder: Folder = DEFAULT_STORE_DIR,
    as_json: AsJson = False,
) -> None:
    """Show every certificate with its expiry, and every one that was changed or expires soon.

    Exit codes: 0 all certificates are valid and unchanged, 65 otherwise.
    """
    from gateway.diagnostics.checks.ca import check_ca_dir
    from gateway.diagnostics.findings import sort_by_severity

    kept = _opened(folder)
    deployment = _load_deployment(description) if description.exists() else None
    try:
        findings = sort_by_severity(check_ca_dir(kept, datetime.now(UTC), deployment))
    except OSError as error:
        exit_with(f"{error.filename} cannot be read: {error.strerror}", os.EX_NOPERM)
    wrong = [finding for finding in findings if finding.severity != "ok"]
    if as_json:
        content: dict[str, Any] = {
            "certificates": [entry.to_json() for entry in kept.current_certificates().values()],
            "station_keys": [each.to_json() for each in kept.station_keys],
            "findings": [finding.model_dump(mode="json") for finding in wrong],
        }
        typer.echo(json.dumps(content, ensure_ascii=False))
    else:
        for entry in kept.current_certificates().values():
            _print(_line(entry))
        for each in kept.station_keys:
            how = f"revoked ({each.revoked})" if each.revoked else "enrolled"
            _print(f"{each.station:<24} {'key':<11} {how}  {each.kid}")
        for finding in wrong:
            _print(f"{finding.severity}: {finding.text}")
            _print(f"    {finding.how}")
    raise typer.Exit(os.EX_DATAERR if any(finding.severity == "error" for finding in wrong) else os.EX_OK)


def _key_content(public_key: str) -> tuple[bytes, str]:
    """Return a public key and the name of its source; raises OSError."""
    if public_key == "-":
        return sys.stdin.buffer.read(), "standard input"
    file = Path(public_key)
    if len(public_key) < 256 and file.is_file():
        return file.read_bytes(), public_key
    return public_key.encode(), "the argument"


def _require_own_file(roles: Path) -> None:
    """End for a role file that `trust` makes: the next `renew` would undo the change."""
    if roles.read_text("utf-8", "replace").startswith(GENERATED_HEADER):
        exit_with(
            f"{roles} is made from the authority, which would undo the change\n"
            "    leave --roles out on the machine of the authority, and copy the role file again",
            os.EX_USAGE,
        )


def _print_key_change(did: str, kid: str, station: str, written: list[str], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({did: {"kid": kid, "station": station}, "files": written}))
        return
    _print(f"{did} {kid} of {station} in {', '.join(written)}")
    _print("At each gateway, with that role file in place: sudo systemctl reload borderpost")


def _hand_over(folder: CertificateStore, broker: Path | None) -> None:
    if broker is None:
        return
    try:
        folder.install_for_broker(broker)
    except LookupError:
        exit_with("there is no group mosquitto: sudo apt install mosquitto", os.EX_UNAVAILABLE)
    except OSError as error:
        _unwritable(broker, error)


def _load_deployment(description: Path) -> Deployment:
    try:
        return load_deployment(description)
    except ConfigError as error:
        exit_with(str(error), error.exit_code)


def _opened(folder: Path) -> CertificateStore:
    try:
        return CertificateStore.open(folder)
    except StoreNotFoundError as error:
        exit_with(f"{error}\n    borderpost trust init creates one", os.EX_NOINPUT)
    except OSError as error:
        exit_with(f"{folder} cannot be read: {error.strerror}", os.EX_NOPERM)


def _authority(folder: CertificateStore, passphrase_file: Path | None) -> CertificateAuthority:
    word = given_passphrase(passphrase_file)
    try:
        try:
            return folder.load_ca(word)
        except NoPassphraseError:
            if word is not None or (asked := asked_passphrase()) is None:
                raise
            return folder.load_ca(asked)
    except NoPassphraseError as error:
        exit_with(f"{error}\n    name its file with --passphrase-file, or set {VARIABLE}", os.EX_NOPERM)
    except UnusableKeyError as error:
        exit_with(f"{folder.path}: {error}\n    restore the copy from the safe", os.EX_DATAERR)
    except OSError as error:
        exit_with(f"{error.filename} cannot be read: {error.strerror}", os.EX_NOPERM)


def _print_result(entries: Iterable[CertificateRecord], did: str, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({did: [entry.to_json() for entry in entries]}))
        return
    for entry in entries:
        _print(_line(entry))


def _line(entry: CertificateRecord) -> str:
    how = (
        f"revoked {entry.revoked:%Y-%m-%d} ({entry.reason})"
        if entry.revoked
        else f"until {entry.not_after:%Y-%m-%d}"
    )
    return f"{entry.name:<24} {entry.kind:<11} {how}"


def _unwritable(folder: Path, error: OSError) -> NoReturn:
    exit_with(f"{error.filename or folder} cannot be written: {error.strerror}", os.EX_CANTCREAT)


def _print(text: str) -> None:
    console.print(text, markup=False, soft_wrap=True)
