"""`borderpost trust`: makes an authority once, renews it, and reports changed files."""

import json
import os
import shutil
import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs12 import load_key_and_certificates
from support.brokers.deployments import LANES, PEOPLE, two_state_deployment
from typer.testing import CliRunner

from gateway.cli.trust import app
from gateway.config import load
from gateway.contract.topics import Position
from gateway.pki.inventory import load_deployment
from gateway.pki.store import CertificateStore, init
from gateway.pki.verify import find_issues

RUNNER = CliRunner()
GATEWAY = "ke-gw-1"
READERS = [Position(lane, "reader") for lane in LANES]


PASSPHRASE = "of the tests' authority"


@pytest.fixture(autouse=True)
def passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BORDERPOST_CA_PASSPHRASE", PASSPHRASE)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("made")
    init(
        place / "authority",
        load_deployment(two_state_deployment(place)),
        days=365,
        passphrase=PASSPHRASE.encode(),
    )
    return place


@pytest.fixture
def post(made: Path, tmp_path: Path) -> Path:
    """A directory with both posts, their description, and an authority, for the test to change."""
    return Path(shutil.copytree(made, tmp_path / "post"))


def trust(place: Path, *arguments: str) -> tuple[int, str]:
    where = ["--folder", str(place / "authority"), "--description", str(place / "trust.toml")]
    result = RUNNER.invoke(app, [*arguments, *where])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def told(place: Path, *arguments: str) -> Any:
    code, said = trust(place, *arguments, "--json")
    assert code in (os.EX_OK, os.EX_DATAERR), said
    return json.loads(said)


def names(entries: list[dict[str, str]]) -> list[str]:
    return [entry["name"] for entry in entries]


def certificate(place: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((place / f"authority/{name}/{name}.crt").read_bytes())


def test_init_makes_all_and_replaces_nothing(tmp_path: Path) -> None:
    two_state_deployment(tmp_path)
    issued = told(tmp_path, "init", "--days", "90")["issued"]

    assert len(issued) == 1 + 2 * (1 + 3 + 3)
    folder = tmp_path / "authority"
    keys = [folder / "ca.key", *folder.glob("*/*.key")]
    assert len(keys) == 1 + len(issued) + 2, "one each, and the gateways' signing keys"
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {key.stem for key in (folder / "signed-by").iterdir()} == {"ke-gw-1", "ug-gw-1"}
    assert told(tmp_path, "show")["findings"] == []
    before = (folder / "ca.key").read_bytes()
    code, said = trust(tmp_path, "init")
    assert (code, "exists already" in said) == (os.EX_CANTCREAT, True)
    assert (folder / "ca.key").read_bytes() == before
    assert not list(tmp_path.glob(".authority*")), "what was begun is gone"


def test_posts_run_with_issued_files(post: Path) -> None:
    described = load(post / "ke.toml")

    def may_move(station: str) -> list[str]:
        grants = [(place, described.roles.grant(station, place)) for place in READERS]
        return [place.lane for place, grant in grants if grant.permits("open", moves=True)]

    assert may_move("ke-lane-1") == ["lane-1"]
    assert may_move("ke-lane-2") == []
    assert may_move("ke-supervisor") == list(LANES)
    assert described.roles.grant("ke-lane-2", READERS[1]).permits("capture", moves=False)
    assert not described.roles.grant("ke-lane-2", READERS[0]).has_any
    assert described.roles.grant("ke-supervisor", READERS[0]).can_steal
    for name in ("ke-technician", "ke-hq"):
        grant = described.roles.grant(name, READERS[0])
        assert (grant.is_known, grant.has_any) == (True, False)
    assert described.roles.grant("ug-supervisor", READERS[0]).is_foreign


def test_renew_issues_missing_and_revokes_removed(post: Path) -> None:
    assert told(post, "renew")["renewed"] == [], "nobody is due"
    people = PEOPLE.replace("ke-technician", "ke-workshop")
    two_state_deployment(post, people=people)

    renewed = told(post, "renew")["renewed"]

    assert names(renewed) == ["ke-workshop", "ke-technician"]
    assert renewed[1]["why"] == "left"
    assert "user ke-workshop" in (post / "authority/broker/acl").read_text()
    assert "ke-technician" not in (post / "authority/broker/acl").read_text()
    assert "ke-technician" not in (post / "authority/ke-gw-1/roles.toml").read_text()
    assert told(post, "show")["findings"] == []


def test_certificate_ending_soon_is_renewed(tmp_path: Path) -> None:
    two_state_deployment(tmp_path)
    issued = told(tmp_path, "init", "--days", "50")["issued"]
    findings = told(tmp_path, "show")["findings"]
    assert {(finding["code"], finding["severity"]) for finding in findings} == {
        ("certificate_expires_soon", "notice")
    }
    assert len(findings) == len(issued)

    assert names(told(tmp_path, "renew")["renewed"]) == names(issued)

    assert told(tmp_path, "show")["findings"] == []
    assert certificate(tmp_path, "broker").not_valid_after_utc > datetime.now(UTC) + timedelta(days=300)


def test_revoked_name_has_no_rights_until_renewed(post: Path) -> None:
    serial = certificate(post, "ke-lane-1").serial_number
    assert names(told(post, "revoke", "ke-lane-1", "--why", "lost")["revoked"]) == ["ke-lane-1"]

    listed = x509.load_pem_x509_crl((post / "authority/broker/crl.pem").read_bytes())
    one = listed.get_revoked_certificate_by_serial_number(serial)
    assert one is not None
    assert (
        one.extensions.get_extension_for_class(x509.CRLReason).value.reason == x509.ReasonFlags.key_compromise
    )
    for file in ("broker/acl", "ke-gw-1/roles.toml"):
        assert "ke-lane-1" not in (post / "authority" / file).read_text()
    assert not load(post / "ke.toml").roles.grant("ke-lane-1", READERS[0]).is_known
    assert told(post, "renew")["renewed"] == [], "not by itself"
    assert names(told(post, "renew", "ke-lane-1")["renewed"]) == ["ke-lane-1"]
    assert "user ke-lane-1" in (post / "authority/broker/acl").read_text()
    assert trust(post, "revoke", "nobody")[0] == os.EX_USAGE
    assert trust(post, "renew", "nobody")[0] == os.EX_USAGE


def test_broker_files_are_readable_by_its_group(post: Path) -> None:
    there = post / "mosquitto"
    trust(post, "renew", "--broker", str(there))

    made = {file.name for file in (post / "authority/broker").iterdir()}
    assert {file.name for file in there.iterdir()} == made
    assert {stat.S_IMODE(file.stat().st_mode) for file in there.iterdir()} == {0o640}
    assert stat.S_IMODE(there.stat().st_mode) == 0o750
    if os.geteuid() == 0:
        assert {file.group() for file in (there, *there.iterdir())} == {"mosquitto"}
    lines = [line.split() for line in (there / "mosquitto.conf").read_text().splitlines()]
    named = [line[1] for line in lines if line and line[0].endswith("file")]
    assert named
    assert all(Path(file).is_relative_to(there) for file in named)


def test_encrypted_key_needs_passphrase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BORDERPOST_CA_PASSPHRASE")
    two_state_deployment(tmp_path)
    word, other = tmp_path / "word", tmp_path / "other"
    word.write_text("correct horse\n")
    other.write_text("battery staple\n")
    assert trust(tmp_path, "init", "--passphrase-file", str(word))[0] == os.EX_OK
    assert b"ENCRYPTED" in (tmp_path / "authority/ca.key").read_bytes()

    for given in ([], ["--passphrase-file", str(other)]):
        code, said = trust(tmp_path, "renew", "ke-hq", *given)
        assert (code, "passphrase" in said, "staple" in said) == (os.EX_NOPERM, True, False)
    assert names(
        json.loads(trust(tmp_path, "renew", "ke-hq", "--json", "--passphrase-file", str(word))[1])["renewed"]
    ) == ["ke-hq"]
    assert told(tmp_path, "show")["findings"] == []


def test_key_without_passphrase_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BORDERPOST_CA_PASSPHRASE")
    two_state_deployment(tmp_path)
    short = tmp_path / "short"
    short.write_text("eleven char")
    for given, code in (
        ([], os.EX_USAGE),
        (["--passphrase-file", str(short)], os.EX_DATAERR),
        (["--no-passphrase", "--passphrase-file", str(short)], os.EX_USAGE),
    ):
        assert trust(tmp_path, "init", *given)[0] == code
        assert not (tmp_path / "authority").exists()


def test_unencrypted_key_is_reported(tmp_path: Path) -> None:
    two_state_deployment(tmp_path)
    code, said = trust(tmp_path, "init", "--no-passphrase")
    assert (code, "NOT ENCRYPTED" in said) == (os.EX_OK, True)
    assert b"ENCRYPTED" not in (tmp_path / "authority/ca.key").read_bytes()
    (found,) = told(tmp_path, "show")["findings"]
    assert (found["code"], found["severity"]) == ("authority_key_unencrypted", "warning")

    word = tmp_path / "word"
    word.write_text("correct horse battery\n")
    order = ["passphrase", "--folder", str(tmp_path / "authority"), "--new-passphrase-file", str(word)]
    assert RUNNER.invoke(app, order).exit_code == os.EX_OK
    assert told(tmp_path, "show")["findings"] == []
    assert trust(tmp_path, "renew", "ke-hq")[0] == os.EX_NOPERM
    assert trust(tmp_path, "renew", "ke-hq", "--passphrase-file", str(word))[0] == os.EX_OK


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_changed_certificate_is_reported(post: Path) -> None:
    file = post / "authority/ke-lane-2/ke-lane-2.crt"
    genuine = certificate(post, "ke-lane-2").public_bytes(Encoding.DER)
    folder = CertificateStore.open(post / "authority")
    for at in range(0, len(genuine), 7):
        changed = bytearray(genuine)
        changed[at] ^= 1 << at // 7 % 8
        file.write_text(ssl.DER_cert_to_PEM_cert(bytes(changed)))
        assert {flaw.file for flaw in find_issues(folder)} == {file}, f"byte {at}"


@pytest.mark.parametrize(
    ("file", "by", "said"),
    [
        ("ug-lane-3/ug-lane-3.crt", "ug-lane-2/ug-lane-2.crt", "belongs to another principal"),
        ("ug-lane-3/ug-lane-3.key", "ug-lane-2/ug-lane-2.key", "is not the key"),
        ("ke-hq/ca.crt", "ke-hq/ke-hq.crt", "is not the certificate of this authority"),
        ("ca.crt", "ke-hq/ke-hq.crt", "its own signature does not fit"),
        ("broker/crl.pem", "ca.crt", "was changed"),
        ("broker/acl", "broker/mosquitto.conf", "differs from the description"),
        ("ke-gw-1/roles.toml", "ug-gw-1/roles.toml", "differs from the description"),
    ],
)
def test_replaced_file_is_reported(post: Path, file: str, by: str, said: str) -> None:
    shutil.copy(post / "authority" / by, post / "authority" / file)

    code, output = trust(post, "show")

    assert (code, f"authority/{file} " in output, said in output) == (os.EX_DATAERR, True, True), output
    if file != "ca.crt":
        trust(post, "renew")
        assert told(post, "show")["findings"] == []


def test_failure_has_exit_code(tmp_path: Path, post: Path) -> None:
    (tmp_path / "trust.toml").write_text("[[post]]\n")
    assert trust(tmp_path, "init")[0] == os.EX_CONFIG
    assert trust(tmp_path, "show")[0] == os.EX_NOINPUT
    (post / "authority/authority.json").write_text("[]")
    code, said = trust(post, "show")
    assert (code, "authority.json was changed" in said) == (os.EX_NOINPUT, True)
    two_state_deployment(post)
    shutil.copy(post / "authority/broker/broker.key", post / "authority/ca.key")
    (post / "authority/authority.json").write_text('{"version": 1, "certificates": []}')
    code, said = trust(post, "renew")
    assert (code, "is not the key of ca.crt" in said) == (os.EX_DATAERR, True)


def with_browsers(place: Path) -> None:
    """Add a port for browsers to the description."""
    description = place / "trust.toml"
    description.write_text(f"[broker]\nwebsocket_port = 8884\n{description.read_text()}")
    trust(place, "renew")


@pytest.mark.parametrize("options", [(), ("--legacy",)])
def test_browser_gets_file_and_password(post: Path, options: tuple[str, ...]) -> None:
    with_browsers(post)
    login = told(post, "browser", "ke-lane-1", *options)

    file = post / "authority/ke-lane-1/ke-lane-1.p12"
    key, own, others = load_key_and_certificates(file.read_bytes(), login["file_password"].encode())
    assert own == certificate(post, "ke-lane-1")
    assert key is not None
    assert key.public_key() == own.public_key()
    assert [each.subject for each in others] == [own.issuer]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    made = (post / "authority/broker/passwords").read_text()
    assert made.startswith("ke-lane-1:$7$")
    everything = made + (post / "authority/authority.json").read_text()
    assert login["password"] not in everything
    assert told(post, "show")["findings"] == []


def test_browser_password_ends_with_the_principal(post: Path) -> None:
    with_browsers(post)
    first, second = (told(post, "browser", "ke-lane-1")["password"] for _ in range(2))
    assert first != second
    told(post, "browser", "ke-supervisor")
    passwords = post / "authority/broker/passwords"
    assert [line.partition(":")[0] for line in passwords.read_text().split()] == [
        "ke-lane-1",
        "ke-supervisor",
    ]

    told(post, "revoke", "ke-lane-1")

    assert [line.partition(":")[0] for line in passwords.read_text().split()] == ["ke-supervisor"]
    assert told(post, "show")["findings"] == []


def test_browser_is_refused_with_remedy(post: Path) -> None:
    code, said = trust(post, "browser", "ke-lane-1")
    assert (code, "add websocket_port = 8884" in said) == (os.EX_CONFIG, True), said
    with_browsers(post)
    for name in ("nobody", "ke-gw-1", "ke-hq"):
        code, said = trust(post, "browser", name)
        assert (code, "it has ke-lane-1" in said) == (os.EX_USAGE, True), said
    (post / "authority/ke-lane-2/ke-lane-2.key").unlink()
    code, said = trust(post, "browser", "ke-lane-2")
    assert (code, "borderpost trust renew ke-lane-2" in said) == (os.EX_NOINPUT, True), said
    trust(post, "revoke", "ke-lane-1")
    code, said = trust(post, "browser", "ke-lane-1")
    assert (code, "is revoked" in said) == (os.EX_DATAERR, True), said
