"""Signed commands: what is verified before the policy is asked, and what each refusal says."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.gateway.command_dispatch import (
    BARRIER,
    OTHER,
    ROLES,
    SESSION,
    TOPICS,
    DispatcherFixture,
)
from support.gateway.signing_stations import SigningStation, p256_key, with_keys

from gateway.commands.signatures import VERIFICATIONS_PER_S
from gateway.config.model import SignedCommands
from gateway.contract.commands import CommandAnswer, CommandState, request_digest
from gateway.contract.reason_codes import CommandReason
from gateway.pki.jws import Signer

COUNTER = SigningStation("counter-1")
BROWSER = SigningStation("counter-1", p256_key())
LOST = SigningStation("counter-1")
NEIGHBOUR = SigningStation("counter-2")
STRANGER = SigningStation("counter-1")
GUARD = SigningStation("guard")
SIGNED_ROLES = with_keys(
    ROLES,
    COUNTER.entry() | BROWSER.entry() | LOST.entry(revoked="lost") | NEIGHBOUR.entry() | GUARD.entry(),
)


class SigningFixture(DispatcherFixture):
    """Dispatcher of a post that requires signatures, and stations that sign."""

    def __init__(self, signed: SignedCommands = "moves") -> None:
        super().__init__(signed=signed, roles=SIGNED_ROLES, min_move_interval_s=0.001, moves_per_min=600)
        self.token = self.signatures.tokens.issue()

    def body(self, **more: Any) -> bytes:
        """Make the body of the next command."""
        number = next(self.numbers)
        whole = {"cmd_id": f"s{number}", "session": SESSION, "command_seq": number, "fresh": self.token}
        return json.dumps(whole | more).encode()

    def send(
        self,
        verb: str = "open-up",
        by: SigningStation = COUNTER,
        *,
        payload: bytes | None = None,
        jws: str | None = None,
        **more: Any,
    ) -> list[CommandAnswer]:
        """Sign a command and deliver it; return the answers sent at once."""
        delivery = {
            name: more.pop(name) for name in ("station", "retain", "expires_s", "position") if name in more
        }
        position = delivery.get("position", BARRIER)
        payload = payload if payload is not None else self.body(**more)
        topic = TOPICS.command(position, verb, delivery.get("station", by.name))
        jws = jws if jws is not None else by.sign(topic, payload)
        station = delivery.pop("station", by.name)
        return self.arrive(verb, station, payload=payload, user=[("jws", jws)], **delivery)


@pytest.fixture
async def post() -> AsyncIterator[SigningFixture]:
    """Return a dispatcher that requires signatures of movements."""
    post = SigningFixture()
    yield post
    post.path.refuse_commands()
    post.path.stop()


def reason_of(answers: list[CommandAnswer]) -> CommandReason | None:
    (answer,) = answers
    return answer.reason


@pytest.mark.parametrize("station", [COUNTER, BROWSER], ids=["Ed25519", "ES256"])
async def test_signed_movement_is_obeyed(post: SigningFixture, station: SigningStation) -> None:
    (accepted,) = post.send(by=station)

    assert accepted.state is CommandState.ACCEPTED
    assert post.devices[BARRIER].verbs == ["open-up"]
    assert post.decided[-1].signed_by == station.signer.kid


async def test_unsigned_movement_is_refused(post: SigningFixture) -> None:
    (answer,) = post.arrive("open-up")

    assert (answer.state, answer.reason) == (CommandState.REJECTED, CommandReason.UNSIGNED)
    assert "borderpost trust" in answer.how
    assert (post.devices[BARRIER].verbs, post.decided[-1].reason) == ([], CommandReason.UNSIGNED)


async def test_signatures_off_obeys_unsigned() -> None:
    """Prove that the tests of this file can fail: the same message moves the machine."""
    post = SigningFixture("off")
    (answer,) = post.arrive("open-up")

    assert (answer.state, post.devices[BARRIER].verbs) == (CommandState.ACCEPTED, ["open-up"])


@pytest.mark.parametrize(
    ("signed", "verb", "reason"),
    [
        ("moves", "look", None),
        ("moves", "claim", CommandReason.UNSIGNED),
        ("moves", "steal", CommandReason.UNSIGNED),
        ("moves", "release", CommandReason.UNSIGNED),
        ("required", "look", CommandReason.UNSIGNED),
        ("required", "claim", CommandReason.UNSIGNED),
        ("required", "stop", None),
        ("moves", "stop", None),
    ],
)
async def test_unsigned_command_by_mode(
    signed: SignedCommands, verb: str, reason: CommandReason | None
) -> None:
    post = SigningFixture(signed)

    assert reason_of(post.arrive(verb)) is reason
    post.path.refuse_commands()
    post.path.stop()


@pytest.mark.parametrize("change", [b" ", b"\n"])
async def test_changed_body_is_refused(post: SigningFixture, change: bytes) -> None:
    payload = post.body()
    jws = COUNTER.sign(TOPICS.command(BARRIER, "open-up", "counter-1"), payload)

    assert reason_of(post.send(payload=payload + change, jws=jws)) is CommandReason.BAD_SIGNATURE


@pytest.mark.parametrize(
    ("verb", "position", "station", "reason"),
    [
        ("close-up", BARRIER, "counter-1", CommandReason.BAD_SIGNATURE),
        ("open-up", OTHER, "counter-1", CommandReason.BAD_SIGNATURE),
        ("open-up", BARRIER, "counter-2", CommandReason.WRONG_TOPIC),
    ],
)
async def test_readdressed_command_is_refused(
    post: SigningFixture, verb: str, position: Any, station: str, reason: CommandReason
) -> None:
    payload = post.body()
    jws = COUNTER.sign(TOPICS.command(BARRIER, "open-up", "counter-1"), payload)
    answers = post.send(verb, payload=payload, jws=jws, position=position, station=station)

    assert reason_of(answers) is reason
    assert post.devices[BARRIER].verbs == post.devices[OTHER].verbs == []


async def test_command_at_another_site_is_refused(post: SigningFixture) -> None:
    """A signature of the same command for a site whose devices have the same positions."""
    payload = post.body()
    abroad = TOPICS.command(BARRIER, "open-up", "counter-1").replace("uto-test", "uto-other")

    assert reason_of(post.send(payload=payload, jws=COUNTER.sign(abroad, payload))) is (
        CommandReason.BAD_SIGNATURE
    )


@pytest.mark.parametrize(
    ("by", "reason"),
    [
        (LOST, CommandReason.REVOKED_KEY),
        (STRANGER, CommandReason.UNKNOWN_KEY),
    ],
    ids=["revoked", "unknown"],
)
async def test_key_without_rights(post: SigningFixture, by: SigningStation, reason: CommandReason) -> None:
    assert reason_of(post.send(by=by)) is reason
    assert post.decided[-1].reason is reason


async def test_revoked_key_needs_its_signature(post: SigningFixture) -> None:
    """A record of a revoked key proves that somebody has it."""
    payload = post.body()
    jws = LOST.sign("elsewhere", payload)

    assert reason_of(post.send(by=LOST, payload=payload, jws=jws)) is CommandReason.BAD_SIGNATURE


@pytest.mark.parametrize(
    "jws",
    ["", "a..b", "..", "x" * 5000, COUNTER.sign("", b"").replace("..", ".e30."), "é..é"],
)
async def test_malformed_signature_is_refused(post: SigningFixture, jws: str) -> None:
    assert reason_of(post.send(jws=jws)) is CommandReason.BAD_SIGNATURE


async def test_algorithm_belongs_to_the_key(post: SigningFixture) -> None:
    payload = post.body()
    topic = TOPICS.command(BARRIER, "open-up", "counter-1")

    class Liar(Signer):
        def __init__(self) -> None:
            super().__init__(COUNTER.key)
            self._header = BROWSER.signer.sign(b"").partition("..")[0].encode()

    assert reason_of(post.send(payload=payload, jws=Liar().sign(topic.encode()))) is (
        CommandReason.BAD_SIGNATURE
    )


async def test_two_signatures_are_refused(post: SigningFixture) -> None:
    payload = post.body()
    jws = COUNTER.sign(TOPICS.command(BARRIER, "open-up", "counter-1"), payload)
    answers = post.arrive("open-up", payload=payload, user=[("jws", jws), ("jws", jws)])

    assert reason_of(answers) is CommandReason.BAD_SIGNATURE


# Age


@pytest.mark.parametrize(("late_s", "reason"), [(5.9, None), (6.0, CommandReason.NOT_FRESH)])
async def test_token_lives_six_seconds(
    post: SigningFixture, late_s: float, reason: CommandReason | None
) -> None:
    payload = post.body()
    post.time.advance(late_s)

    assert reason_of(post.send(payload=payload)) is reason


@pytest.mark.parametrize("token", [None, "", "w8s9vWm0T1uJ2xk4"])
async def test_unknown_token_is_refused(post: SigningFixture, token: str | None) -> None:
    assert reason_of(post.send(fresh=token)) is CommandReason.NOT_FRESH


async def test_wall_clock_does_not_matter(post: SigningFixture) -> None:
    payload = post.body()
    post.time.jump(86_400)

    assert reason_of(post.send(payload=payload)) is None


async def test_broker_cannot_prolong_a_command(post: SigningFixture) -> None:
    """The expiry is not signed; the token bounds the time until which a command may begin."""
    payload = post.body()
    post.time.advance(5)
    post.send(payload=payload, expires_s=5)

    _, _, call, _ = post.devices[BARRIER].commands_received[-1]
    assert call.deadline_ns - post.time.boot_ns() == pytest.approx(1e9, abs=1e6)


async def test_command_of_other_session(post: SigningFixture) -> None:
    assert reason_of(post.send(session="session-0")) is CommandReason.OTHER_SESSION


# Repetition


async def test_replayed_command_moves_once(post: SigningFixture) -> None:
    payload = post.body()
    (first,) = post.send(payload=payload)
    for late_s in (0, 3, 10):
        post.time.advance(late_s)
        (again,) = post.send(payload=payload)
        assert again == first
    assert post.devices[BARRIER].verbs == ["open-up"]


@pytest.mark.parametrize("changed", [{"retain": True}, {"expires_s": None}, {"expires_s": 3600}])
async def test_refused_command_stays_refused(post: SigningFixture, changed: dict[str, Any]) -> None:
    """Retain flag and expiry are not signed: a broker could show a refusal, and have the command obeyed."""
    payload = post.body()
    (refused,) = post.send(payload=payload, **changed)
    (later,) = post.send(payload=payload)

    assert refused.state is CommandState.REJECTED
    assert later == refused
    assert post.devices[BARRIER].verbs == []


async def test_retained_copy_gets_the_true_answer(post: SigningFixture) -> None:
    payload = post.body()
    (first,) = post.send(payload=payload)

    assert post.send(payload=payload, retain=True) == [first]


async def test_answer_names_exactly_its_command(post: SigningFixture) -> None:
    """The refusal of a changed copy must not pass for the refusal of the command."""
    topic = TOPICS.command(BARRIER, "open-up", "counter-1")
    payload = post.body()
    jws = COUNTER.sign(topic, payload)
    (refused,) = post.send(payload=payload, jws=jws[:-4] + "AAAA")
    (accepted,) = post.send(payload=payload, jws=jws)

    assert refused.cmd_id == accepted.cmd_id
    assert accepted.request_sha256 == request_digest(topic, payload, jws) != refused.request_sha256
    assert post.end().request_sha256 == accepted.request_sha256


async def test_forged_stop_uses_no_number(post: SigningFixture) -> None:
    """An unsigned command with the highest number must not shut out the station's own."""
    assert reason_of(post.arrive("stop", command_seq=2**53 - 1, cmd_id="x")) is None

    assert reason_of(post.send()) is None
    assert reason_of(post.send("stop", cmd_id="x")) is None


# Stops


@pytest.mark.parametrize("jws", ["", "a..b", COUNTER.sign("elsewhere", b"")])
@pytest.mark.parametrize("signed", ["moves", "required"])
async def test_stop_needs_no_signature(signed: SignedCommands, jws: str) -> None:
    post = SigningFixture(signed)
    (accepted,) = post.send("stop", jws=jws)

    assert (accepted.state, post.decided[-1].signed_by) == (CommandState.ACCEPTED, None)


async def test_stop_needs_no_fresh_token(post: SigningFixture) -> None:
    assert reason_of(post.send("stop", fresh=None)) is None
    assert post.decided[-1].signed_by == COUNTER.signer.kid


async def test_stop_passes_a_flood_of_signatures(post: SigningFixture) -> None:
    flood = [post.send(jws=COUNTER.sign("elsewhere", b"")) for _ in range(VERIFICATIONS_PER_S + 20)]
    verified = sum(reason_of(answers) is CommandReason.BAD_SIGNATURE for answers in flood if answers)

    assert verified <= VERIFICATIONS_PER_S
    assert any(record.reason is CommandReason.RATE_LIMITED for record in post.decided)
    (stopped,) = post.send("stop")
    assert stopped.state is CommandState.ACCEPTED
    assert reason_of(post.send(by=NEIGHBOUR)) is None  # each station has a rate of its own


async def test_unverified_command_is_not_named(post: SigningFixture) -> None:
    """A command refused for its rate may be genuine and be obeyed later: no answer may deny that."""
    for _ in range(VERIFICATIONS_PER_S):
        post.send(jws=COUNTER.sign("elsewhere", b""))
    post.time.advance(0.01)
    payload = post.body()
    answers = post.send(payload=payload)

    assert {answer.cmd_id for answer in answers} <= {None}
    post.time.advance(1)
    assert reason_of(post.send(payload=payload)) is None


# Order of the gates


async def test_name_of_the_broker_is_first(post: SigningFixture) -> None:
    (answer,) = post.send(by=SigningStation("nobody", COUNTER.key))

    assert answer.reason is CommandReason.UNKNOWN_STATION


async def test_signature_grants_no_right(post: SigningFixture) -> None:
    assert reason_of(post.send(by=GUARD)) is CommandReason.NOT_PERMITTED


async def test_new_role_file_takes_effect(post: SigningFixture) -> None:
    revoked = with_keys(SIGNED_ROLES, COUNTER.entry(revoked="lost"))
    post.signatures.configure("moves", revoked)

    assert reason_of(post.send()) is CommandReason.REVOKED_KEY
