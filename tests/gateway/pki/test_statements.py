"""Signatures of retained messages, tokens and answers: the bytes they cover, and each reason of refusal."""

import json
from collections.abc import Callable

import pytest
from support.gateway.signing_stations import SigningStation

from gateway.config import Roles
from gateway.contract.reason_codes import CommandReason
from gateway.contract.states import Revision
from gateway.pki.jws import InvalidSignatureError
from gateway.pki.statement_verifier import StatementVerifier
from gateway.pki.statements import StatementSigner, UserProperties
from gateway.pki.station_keys import RoleFileKeys

PREFIX = "bgw/v1/ke-busia/"
STATE, CLAIM = f"{PREFIX}lane-1/barrier/state", f"{PREFIX}lane-1/barrier/claim"
GATEWAY, STRANGER = SigningStation("gw-1"), SigningStation("gw-2")
VERIFIER = StatementVerifier([GATEWAY.key.public_key()])


def signer(*, by: SigningStation = GATEWAY) -> StatementSigner:
    return StatementSigner("s1", PREFIX, by.signer.sign)


def refused(text: str) -> pytest.RaisesExc[InvalidSignatureError]:
    return pytest.raises(InvalidSignatureError, match=f"^{text}$")


def test_retained_messages_are_numbered() -> None:
    one = signer()
    for number, (topic, body) in enumerate([(STATE, b"a"), (CLAIM, b"b"), (STATE, b"")], 1):
        user = one.sign_retained(topic, body)
        assert [name for name, _ in user] == ["revision", "jws"]
        assert user[0] == ("revision", f"s1/{number}")
        assert VERIFIER.check_retained(topic, body, user) == Revision("s1", number, GATEWAY.signer.kid)


def test_token_lists_retained_topics() -> None:
    one = signer()
    one.sign_retained(STATE, b"a")
    one.sign_retained(CLAIM, b"b")
    one.sign_retained("elsewhere/x", b"c")
    one.sign_retained(CLAIM, b"")
    one.sign_retained(f"{PREFIX}lane-9/barrier/claim", b"")
    for number in (1, 2):
        assert json.loads(one.token_message(f"t{number}")) == {
            "session": "s1",
            "token": f"t{number}",
            "number": number,
            "numbers": {"lane-1/barrier/state": 1, "elsewhere/x": 3},
        }


def test_answer_is_signed_without_a_revision() -> None:
    user = signer().sign(STATE, b"answer")
    assert [name for name, _ in user] == ["jws"]
    assert VERIFIER.check(STATE, b"answer", user) == GATEWAY.signer.kid
    with refused("it does not fit these bytes"):
        VERIFIER.check(CLAIM, b"answer", user)
    with refused("it is not signed"):
        VERIFIER.check_retained(STATE, b"answer", user)


def test_nothing_is_signed_without_a_key() -> None:
    one = StatementSigner("s1", PREFIX, None)
    assert one.sign_retained(STATE, b"a") == ()
    assert one.sign(STATE, b"a") == ()
    assert json.loads(one.token_message("t"))["numbers"] == {}


@pytest.mark.parametrize(
    ("revision", "text"),
    [
        ("s1/0", "its revision has another form"),
        ("s1/01", "its revision has another form"),
        ("/1", "its revision has another form"),
        (f"{'s' * 65}/1", "its revision has another form"),
        ("s1/1\n", "its revision has another form"),
        ("s1/2", "it does not fit these bytes"),
    ],
)
def test_other_revision_is_refused(revision: str, text: str) -> None:
    _, signature = signer().sign_retained(STATE, b"a")
    with refused(text):
        VERIFIER.check_retained(STATE, b"a", (("revision", revision), signature))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda user: user[:1], "it is not signed"),
        (lambda user: user[1:], "it is not signed"),
        (lambda user: (*user, user[1]), "it has two signatures"),
        (lambda user: (*user, ("revision", "s1/2")), "it has two signatures"),
    ],
)
def test_missing_or_second_property_is_refused(
    change: Callable[[UserProperties], UserProperties], text: str
) -> None:
    with refused(text):
        VERIFIER.check_retained(STATE, b"a", change(signer().sign_retained(STATE, b"a")))


def test_stranger_is_refused_by_its_key() -> None:
    user = signer(by=STRANGER).sign_retained(STATE, b"a")
    with refused(f"signed with {STRANGER.signer.kid}, which is no key that was given"):
        VERIFIER.check_retained(STATE, b"a", user)


def test_long_numbers_are_read() -> None:
    revision = f"{'s' * 64}/{10**16 - 1}"
    signed = "\n".join((STATE, revision, "a")).encode()
    user = (("revision", revision), ("jws", GATEWAY.signer.sign(signed)))
    assert VERIFIER.check_retained(STATE, b"a", user).number == 10**16 - 1


def test_role_file_judges_each_key() -> None:
    lost = SigningStation("lane-2")
    keys = RoleFileKeys(
        Roles.model_validate({"authority": "KE", "key": GATEWAY.entry() | lost.entry(revoked="lost")})
    )
    kid = GATEWAY.signer.kid
    signature = GATEWAY.sign(STATE, b"a")
    assert keys.verify("gw-1", STATE, b"a", signature) == (kid, None)
    assert keys.verify("lane-1", STATE, b"a", signature) == (kid, CommandReason.WRONG_TOPIC)
    assert keys.verify("gw-1", STATE, b"b", signature) == ("", CommandReason.BAD_SIGNATURE)
    assert keys.verify("gw-2", STATE, b"a", STRANGER.sign(STATE, b"a")) == ("", CommandReason.UNKNOWN_KEY)
    assert keys.verify("gw-1", STATE, b"a", "x") == ("", CommandReason.BAD_SIGNATURE)
    revoked = lost.sign(STATE, b"a")
    assert keys.verify("lane-2", STATE, b"a", revoked) == (lost.signer.kid, CommandReason.REVOKED_KEY)
    assert keys.verify("lane-2", STATE, b"b", revoked) == ("", CommandReason.BAD_SIGNATURE)
    assert keys.verify("lane-1", STATE, b"a", revoked) == (lost.signer.kid, CommandReason.WRONG_TOPIC)
