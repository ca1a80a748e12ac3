"""Keys of stations: made at the station or in a browser, enrolled, revoked, and verified by any bytes."""

import base64
import itertools
import json
import os
import stat
import string
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey
from support.brokers.deployments import two_state_deployment
from support.gateway.signing_stations import SigningStation, p256_key
from typer.testing import CliRunner

from gateway.cli.trust import app
from gateway.common.public_keys import format_public_key, key_id, parse_public_key
from gateway.config import ConfigError, Roles
from gateway.config.role_file import load_roles
from gateway.contract.reason_codes import CommandReason
from gateway.pki.inventory import load_deployment
from gateway.pki.jws import InvalidSignatureError, Signer, Verifier
from gateway.pki.keys import UnusableKeyError, load_station_key, make_station_key, read_public_key
from gateway.pki.statement_verifier import StatementVerifier
from gateway.pki.statements import StatementSigner
from gateway.pki.station_keys import RoleFileKeys
from gateway.pki.store import CertificateStore, init

RUNNER = CliRunner()
ROLES = """\
# Written by hand; comments stay.
authority = "KE"
[role.officer]
verbs = ["*"]
can_move = true
[station.lane-1]          # the counter
roles = ["officer"]
positions = ["lane-1/*"]
[station.lane-2]
"""
TOPIC = "bgw/v1/ke-busia/lane-1/barrier/cmd/open/lane-1"
BROWSER = SigningStation("lane-1", p256_key())
COUNTER = SigningStation("lane-1")


def run(*arguments: str, code: int = os.EX_OK, stdin: str | None = None) -> str:
    result = RUNNER.invoke(app, list(arguments), input=stdin)
    assert result.exit_code == code, result.output
    return result.output


def jwk_of_browser() -> dict[str, Any]:
    """Return what `crypto.subtle.exportKey("jwk", publicKey)` returns."""
    numbers = BROWSER.key.public_key().public_numbers()
    x, y = (
        base64.urlsafe_b64encode(number.to_bytes(32, "big")).rstrip(b"=").decode()
        for number in (numbers.x, numbers.y)
    )
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y, "ext": True, "key_ops": ["verify"]}


# Signatures of browsers


def test_es256_fits_other_implementation() -> None:
    other = ECKey.import_key(jwk_of_browser())
    found = jws.deserialize_compact(
        BROWSER.signer.sign(b"payload"), other, algorithms=["ES256"], payload=b"payload"
    )
    assert found.headers() == {"alg": "ES256", "kid": other.thumbprint()}

    mine = ECKey.generate_key("P-256")
    header = {"alg": "ES256", "kid": mine.thumbprint()}
    theirs = jws.detach_content(jws.serialize_compact(header, b"payload", mine, algorithms=["ES256"]))
    public = read_public_key(json.dumps(mine.as_dict(private=False)).encode(), "key")
    assert Verifier([public]).check(b"payload", theirs) == mine.thumbprint()


@pytest.mark.parametrize("size", [0, 63, 65, 72])
def test_es256_signature_of_other_size_is_rejected(size: int) -> None:
    header = BROWSER.signer.sign(b"").partition("..")[0]
    signature = base64.urlsafe_b64encode(bytes(size)).rstrip(b"=").decode()

    with pytest.raises(InvalidSignatureError):
        Verifier([BROWSER.key.public_key()]).check(b"", f"{header}..{signature}")


@given(st.binary(max_size=200), st.text(max_size=200))
def test_any_text_is_no_signature(payload: bytes, text: str) -> None:
    """No text raises anything else, or passes."""
    keys = RoleFileKeys(Roles.model_validate({"authority": "KE", "key": COUNTER.entry()}))

    _, reason = keys.verify("lane-1", TOPIC, payload, text)
    assert reason in (CommandReason.BAD_SIGNATURE, CommandReason.UNKNOWN_KEY)


@given(st.binary(max_size=100), st.data())
def test_any_change_is_a_bad_signature(payload: bytes, data: st.DataObject) -> None:
    keys = RoleFileKeys(Roles.model_validate({"authority": "KE", "key": COUNTER.entry()}))
    jws_text = COUNTER.sign(TOPIC, payload)
    assert keys.verify("lane-1", TOPIC, payload, jws_text) == (COUNTER.signer.kid, None)

    signed = TOPIC.encode() + b"\n" + payload
    at = data.draw(st.integers(0, len(signed) * 8 - 1))
    changed = bytearray(signed)
    changed[at // 8] ^= 1 << at % 8
    topic, line_feed, body = bytes(changed).partition(b"\n")
    if not line_feed:
        topic, body = bytes(changed), b""
    _, reason = keys.verify("lane-1", topic.decode("latin-1"), body, jws_text)
    assert reason is CommandReason.BAD_SIGNATURE


# What a gateway says


@given(st.binary(max_size=100), st.integers(0, 3))
def test_statement_is_bound_to_topic_and_revision(body: bytes, change: int) -> None:
    signer = StatementSigner("s1", "bgw/v1/ke-busia/", COUNTER.signer.sign)
    verifier = StatementVerifier([COUNTER.key.public_key()])
    topic = "bgw/v1/ke-busia/lane-1/barrier/state"
    user = signer.sign_retained(topic, body)
    revision = verifier.check_retained(topic, body, user)
    assert (revision.session, revision.number) == ("s1", 1)

    changed: tuple[str, bytes, Any] = (
        (f"{topic}x", body, user),
        (topic, body + b"x", user),
        (topic, body, (("revision", "s1/2"), user[1])),
        (topic, body, (*user, user[1])),
    )[change]
    with pytest.raises(InvalidSignatureError):
        verifier.check_retained(*changed)


def test_token_names_the_newest_numbers() -> None:
    signer = StatementSigner("s1", "bgw/v1/ke-busia/", COUNTER.signer.sign)
    for body in (b"closed", b"open", b"x"):
        signer.sign_retained("bgw/v1/ke-busia/lane-1/barrier/state", body)
    signer.sign_retained("bgw/v1/ke-busia/lane-1/barrier/claim", b"x")
    signer.sign_retained("bgw/v1/ke-busia/lane-1/barrier/claim", b"")

    first, second = (json.loads(signer.token_message("t")) for _ in range(2))
    assert first["numbers"] == {"lane-1/barrier/state": 3}
    assert second["number"] > first["number"]


# Public keys


@pytest.mark.parametrize("station", [COUNTER, BROWSER], ids=["Ed25519", "ES256"])
def test_public_key_is_read_in_three_forms(station: SigningStation) -> None:
    key = station.key.public_key()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    forms = [pem, format_public_key(key).encode() + b"\n"]
    forms += [json.dumps(jwk_of_browser()).encode()] if station is BROWSER else []

    assert {key_id(read_public_key(form, "key")) for form in forms} == {station.signer.kid}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[",
        b"\xff",
        b'{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}',
        b"MCowBQYDK2Vw",
        b"-----BEGIN",
    ],
)
def test_what_is_no_public_key_is_named(content: bytes) -> None:
    with pytest.raises(UnusableKeyError, match="the argument holds no public key"):
        read_public_key(content, "the argument")


def test_private_key_is_not_enrolled() -> None:
    """A private JWK must not end up in a role file."""
    private = ECKey.generate_key("P-256").as_dict(private=True)

    with pytest.raises(UnusableKeyError):
        read_public_key(json.dumps(private).encode(), "the argument")


def test_other_curve_is_refused() -> None:
    text = format_public_key(generate_private_key(SECP384R1()).public_key())

    with pytest.raises(ValueError, match="another kind"):
        parse_public_key(text)


# The command line


@pytest.fixture
def roles(tmp_path: Path) -> Path:
    file = tmp_path / "roles.toml"
    file.write_text(ROLES)
    file.chmod(0o640)
    return file


def test_key_is_made_enrolled_and_revoked(tmp_path: Path, roles: Path) -> None:
    private = tmp_path / "lane-1.key"
    made = json.loads(run("key", str(private), "--json"))
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert "exists already" in run("key", str(private), code=os.EX_CANTCREAT)

    said = run("enrol", "lane-1", made["public_key"], "--roles", str(roles))
    assert "systemctl reload borderpost" in said
    assert roles.read_text().startswith(ROLES)
    assert stat.S_IMODE(roles.stat().st_mode) == 0o640
    signer = Signer(load_station_key(private))
    keys = RoleFileKeys(load_roles(roles))
    assert keys.verify("lane-1", "t", b"x", signer.sign(b"t\nx")) == (made["kid"], None)

    run("revoke-key", made["kid"], "--why", "lost", "--roles", str(roles))
    run("revoke-key", made["kid"], "--roles", str(roles))  # again: nothing changes
    keys = RoleFileKeys(load_roles(roles))
    assert keys.verify("lane-1", "t", b"x", signer.sign(b"t\nx")) == (made["kid"], CommandReason.REVOKED_KEY)
    assert "was revoked" in run(
        "enrol", "lane-1", made["public_key"], "--roles", str(roles), code=os.EX_DATAERR
    )
    assert {file.name for file in tmp_path.iterdir()} == {"lane-1.key", "roles.toml"}


def test_browser_key_is_enrolled_from_input(roles: Path) -> None:
    run("enrol", "lane-1", "-", "--roles", str(roles), stdin=json.dumps(jwk_of_browser()))

    assert list(load_roles(roles).key) == [BROWSER.signer.kid]


@pytest.mark.parametrize(
    ("station", "key", "text"),
    [
        ("lane-9", COUNTER.public_key, 'no station "lane-9"'),
        ("lane-1", "nonsense", "no public key"),
    ],
)
def test_wrong_enrolment_changes_nothing(roles: Path, station: str, key: str, text: str) -> None:
    assert text in run("enrol", station, key, "--roles", str(roles), code=os.EX_DATAERR)
    assert roles.read_text() == ROLES


def test_key_is_enrolled_once(roles: Path) -> None:
    run("enrol", "lane-1", COUNTER.public_key, "--roles", str(roles))

    assert "enrolled already" in run(
        "enrol", "lane-2", COUNTER.public_key, "--roles", str(roles), code=os.EX_DATAERR
    )


def test_unknown_key_cannot_be_revoked(roles: Path) -> None:
    assert "has no key" in run("revoke-key", "x" * 43, "--roles", str(roles), code=os.EX_DATAERR)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (("public_key", COUNTER.public_key[:-8]), "the value cannot be used"),
        (("public_key", BROWSER.public_key), "this is the key of another id"),
        (("station", "lane-9"), 'there is no station "lane-9"'),
        (("revoked", "stolen"), "is not one of the permitted words"),
    ],
)
def test_mistake_in_a_key_is_located(roles: Path, change: tuple[str, str], text: str) -> None:
    ((kid, entry),) = COUNTER.entry().items()
    entry |= {change[0]: change[1]}
    lines = "\n".join(f'{name} = "{value}"' for name, value in entry.items())
    roles.write_text(f"{ROLES}[key.{kid}]\n{lines}\n")

    with pytest.raises(ConfigError) as caught:
        load_roles(roles)
    (issue,) = caught.value.issues
    assert text in issue.text
    assert issue.line is not None


# Ids that look like options: one in 64 begins with a dash

KEY_ID_LETTERS = string.ascii_letters + string.digits + "-_"


def key_with_dash() -> Ed25519PrivateKey:
    """Return a key whose id begins with a dash, and has the letter of an option in it."""
    for number in itertools.count():
        key = Ed25519PrivateKey.from_private_bytes(number.to_bytes(32, "big"))
        kid = key_id(key.public_key())
        if kid.startswith("-") and "f" in kid:
            return key
    raise AssertionError


@given(tail=st.text(KEY_ID_LETTERS, min_size=42, max_size=42), first=st.booleans())
def test_every_key_id_is_an_argument(
    tmp_path_factory: pytest.TempPathFactory, tail: str, first: bool
) -> None:
    roles = tmp_path_factory.getbasetemp() / "roles-of-key-ids.toml"
    roles.write_text(ROLES)
    options = ["--why", "left", "--roles", str(roles)]
    kid = f"-{tail}"
    arguments = [kid, *options] if first else [*options, kid]
    assert f"{roles} has no key {kid}" in run("revoke-key", *arguments, code=os.EX_DATAERR).replace("\n", "")


def test_enrolled_key_id_with_dash_revoked(roles: Path) -> None:
    public = key_with_dash().public_key()
    run("enrol", "lane-1", format_public_key(public), "--roles", str(roles))
    run("revoke-key", key_id(public), "--roles", str(roles))
    assert load_roles(roles).key[key_id(public)].revoked == "lost"


def test_new_key_id_has_no_dash_in_front(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_dash = Ed25519PrivateKey.from_private_bytes(bytes(32))
    keys = [key_with_dash(), without_dash]
    monkeypatch.setattr("gateway.pki.keys.Ed25519PrivateKey", SimpleNamespace(generate=lambda: keys.pop(0)))
    assert make_station_key(tmp_path / "station.key") is without_dash


def test_unknown_option_of_revoke_key_refused(roles: Path) -> None:
    assert "No such option" in run("revoke-key", "--role", str(roles), code=2)


# An authority's role files


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    init(tmp_path / "authority", load_deployment(two_state_deployment(tmp_path)), days=365, passphrase=None)
    return tmp_path


def at(place: Path) -> list[str]:
    return ["--folder", str(place / "authority"), "--description", str(place / "trust.toml")]


def test_authority_writes_keys_to_its_gateways(authority: Path) -> None:
    station = SigningStation("ke-lane-1")
    own, other = (authority / f"authority/{state}-gw-1/roles.toml" for state in ("ke", "ug"))
    run("enrol", "ke-lane-1", station.public_key, *at(authority))
    assert load_roles(own).key[station.signer.kid].station == "ke-lane-1"
    assert load_roles(other).key == {}

    run("renew", *at(authority))
    assert load_roles(own).key[station.signer.kid].revoked is None
    assert "made from the authority" in run(
        "enrol", "ke-lane-1", COUNTER.public_key, "--roles", str(own), code=os.EX_USAGE
    )
    shown = json.loads(run("show", "--json", *at(authority)))
    assert [key["kid"] for key in shown["station_keys"]] == [station.signer.kid]

    run("revoke-key", station.signer.kid, *at(authority))
    assert load_roles(own).key[station.signer.kid].revoked == "lost"


def test_revoked_principal_loses_its_keys(authority: Path) -> None:
    """A new certificate under the same name must not bring the lost key back."""
    station = SigningStation("ke-lane-1")
    own = authority / "authority/ke-gw-1/roles.toml"
    run("enrol", "ke-lane-1", station.public_key, *at(authority))
    run("revoke", "ke-lane-1", *at(authority))
    assert station.signer.kid not in load_roles(own).key

    run("renew", "ke-lane-1", *at(authority))
    assert load_roles(own).key[station.signer.kid].revoked == "lost"


def test_only_commanding_principals_are_enrolled(authority: Path) -> None:
    said = run("enrol", "ke-technician", COUNTER.public_key, *at(authority), code=os.EX_USAGE)

    assert "no station ke-technician" in said
    assert CertificateStore.open(authority / "authority").station_keys == []
