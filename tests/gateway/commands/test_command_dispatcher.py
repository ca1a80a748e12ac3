"""Command dispatcher with a simulated clock: permitted, refused, answered and recorded commands."""

import asyncio
import time
from typing import Any

import pytest
from support.gateway.command_dispatch import BARRIER, OTHER, SESSION, TOPICS, DispatcherFixture
from support.gateway.deliveries import until

from drivers.driver import StateCode
from gateway.commands import audit
from gateway.commands.dispatcher import MAX_URGENT
from gateway.contract.commands import CommandAnswer, CommandOutcome, CommandState
from gateway.contract.reason_codes import REASON_TEXTS, CommandReason
from gateway.contract.topics import Position


def refused(answers: list[CommandAnswer], reason: CommandReason) -> CommandAnswer:
    """Return the one answer, which refuses for this reason."""
    (answer,) = answers
    expired = reason is CommandReason.EXPIRED
    assert answer.state is (CommandState.EXPIRED if expired else CommandState.REJECTED)
    assert answer.reason is reason
    assert (answer.text, answer.how) == tuple(REASON_TEXTS[reason])
    return answer


async def test_done_command_is_answered_and_recorded(dispatcher: DispatcherFixture) -> None:
    (accepted,) = dispatcher.arrive(
        "open-up", correlation=b"mine", args={"width_cm": 30, "plate": "KAA 001A"}, transaction="t-7"
    )
    ((_, verb, call, args),) = dispatcher.devices[BARRIER].commands_received
    assert (verb, call.id, call.issuer, call.transaction) == ("open-up", "c1", "counter-1", "t-7")
    assert args == {"width_cm": 30, "plate": "KAA 001A"}
    assert call.deadline_ns == dispatcher.time.boot_ns() + 3_000_000_000
    assert (accepted.state, accepted.transaction) == (CommandState.ACCEPTED, "t-7")

    dispatcher.time.advance(0.5)
    done = dispatcher.end(result=b'{"width_cm":30}')
    assert (done.state, done.result, done.cmd_id) == (CommandState.DONE, {"width_cm": 30}, "c1")
    assert [(topic, data) for topic, _, data in dispatcher.answers] == [
        (TOPICS.answer(BARRIER, "counter-1"), b"mine")
    ] * 2

    (decided,), (ended,) = dispatcher.decided, dispatcher.ended
    assert (decided.cmd_id, decided.station, decided.verb, decided.decision) == (
        "c1",
        "counter-1",
        "open-up",
        CommandState.ACCEPTED,
    )
    assert decided.args == {"width_cm": 30, "plate": "<str len=8>"}
    assert decided.remaining_ms == 3000
    assert (ended.state, ended.duration_ms) == (CommandState.DONE, 500)
    assert [(where, transaction) for where, _, transaction in dispatcher.records] == [(BARRIER, "t-7")] * 2


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"retain": True}, CommandReason.RETAINED),
        ({"expires_s": None}, CommandReason.NO_EXPIRY),
        ({"expires_s": 6}, CommandReason.NO_EXPIRY),
        ({"expires_s": 0}, CommandReason.EXPIRED),
        ({"session": "session-0"}, CommandReason.OTHER_SESSION),
        ({"station": "nobody"}, CommandReason.UNKNOWN_STATION),
        ({"station": "abroad"}, CommandReason.FOREIGN_AUTHORITY),
        ({"station": "idle"}, CommandReason.NOT_PERMITTED),
        ({"station": "guard"}, CommandReason.NOT_PERMITTED),
        ({"verb": "fly"}, CommandReason.UNKNOWN_VERB),
        ({"verb": "renew"}, CommandReason.NOT_CLAIMED),
        ({"verb": "release"}, CommandReason.NOT_CLAIMED),
        ({"verb": "steal"}, CommandReason.NOT_PERMITTED),
        ({"verb": "claim", "station": "idle"}, CommandReason.NOT_PERMITTED),
        ({"payload": b"open!"}, CommandReason.MALFORMED),
        ({"payload": b'{"command_seq": 1}'}, CommandReason.MALFORMED),
        ({"command_seq": "7"}, CommandReason.MALFORMED),
        ({"command_seq": 0}, CommandReason.MALFORMED),
        ({"command_seq": 2**53}, CommandReason.MALFORMED),
        ({"args": []}, CommandReason.MALFORMED),
        ({"args": {"x": float("nan")}}, CommandReason.MALFORMED),
        ({"args": {"x": "y" * 20_000}}, CommandReason.MALFORMED),
        ({"cmd_id": "a b"}, CommandReason.MALFORMED),
        ({"not_after": 3}, CommandReason.MALFORMED),
        ({"correlation": b"x" * 257}, CommandReason.MALFORMED),
    ],
)
async def test_what_is_refused_and_why(
    dispatcher: DispatcherFixture, more: dict[str, Any], reason: CommandReason
) -> None:
    refused(dispatcher.arrive(**{"verb": "open-up", **more}), reason)
    assert dispatcher.devices[BARRIER].commands_received == []
    (decided,) = dispatcher.decided
    assert (decided.reason, decided.count) == (reason, 1)
    assert dispatcher.retained == {}


async def test_every_policy_reason_is_tested() -> None:
    """The other reasons come from drivers and workers."""
    from gateway.commands.policy import POLICY_RULES

    elsewhere = {
        CommandReason.COMMAND_SEQ_NOT_INCREASING,
        CommandReason.EXPIRED,
        CommandReason.STOPPING,
        CommandReason.MAINTENANCE,
        CommandReason.NOT_ONLINE,
        CommandReason.CLAIMED,
        CommandReason.BUSY,
        CommandReason.RATE_LIMITED,
    }
    (mark,) = test_what_is_refused_and_why.pytestmark
    seen = {reason for _, reason in mark.args[1]}
    assert {reason for reason, _ in POLICY_RULES} <= seen | elsewhere


async def test_response_topic_is_ignored(dispatcher: DispatcherFixture) -> None:
    dispatcher.arrive("look")
    dispatcher.arrive("look", "nobody")
    assert {topic for topic, _, _ in dispatcher.answers} == {
        TOPICS.answer(BARRIER, "counter-1"),
        TOPICS.answer(BARRIER, "nobody"),
    }


async def test_topic_without_sender_is_not_answered(dispatcher: DispatcherFixture) -> None:
    assert dispatcher.arrive("open-up", topic="bgw/v1/uto-test/lane-1/barrier/cmd/open-up/a b") == []
    (decided,) = dispatcher.decided
    assert (decided.station, decided.reason) == (None, CommandReason.MALFORMED)
    assert dispatcher.arrive("open-up", topic="bgw/v1/uto-test/lane-1/barrier/evt/open-up") == []
    assert len(dispatcher.decided) == 1


async def test_command_for_other_gateway_is_ignored(dispatcher: DispatcherFixture) -> None:
    assert dispatcher.arrive("open-up", position=Position("lane-9", "barrier")) == []
    assert dispatcher.records == []


async def test_repeated_command_repeats_answer(dispatcher: DispatcherFixture) -> None:
    (accepted,) = dispatcher.arrive("open-up", cmd_id="x", command_seq=1)
    assert dispatcher.arrive("open-up", cmd_id="x", command_seq=1) == [accepted], "while it still runs"
    done = dispatcher.end()
    assert dispatcher.arrive("open-up", cmd_id="x", command_seq=1, correlation=b"again") == [done]
    assert dispatcher.answers[-1][2] == b"again"
    assert dispatcher.devices[BARRIER].verbs == ["open-up"]
    assert len(dispatcher.decided) == 1

    (rejected,) = dispatcher.arrive("fly", cmd_id="y", command_seq=2)
    assert dispatcher.arrive("fly", cmd_id="y", command_seq=2) == [rejected], "a refusal is an answer too"


async def test_an_id_means_one_command_only(dispatcher: DispatcherFixture) -> None:
    (first,) = dispatcher.arrive("open-up", cmd_id="x")
    refused(dispatcher.arrive("stop", cmd_id="x"), CommandReason.ID_REUSED)
    refused(dispatcher.arrive("open-up", cmd_id="x", position=OTHER), CommandReason.ID_REUSED)
    (again,) = dispatcher.arrive("open-up", cmd_id="x")
    assert again.model_copy(update={"request_sha256": first.request_sha256}) == first
    assert again.request_sha256 != first.request_sha256  # its number differs
    (other,) = dispatcher.arrive("look", "counter-2", cmd_id="x", position=OTHER)
    assert other.state is CommandState.ACCEPTED, "each station names its own"


async def test_command_with_dropped_answer_is_refused(dispatcher: DispatcherFixture) -> None:
    dispatcher.done("look", cmd_id="x", command_seq=1000)
    for number in range(1001, 1101):
        dispatcher.done("look", cmd_id=f"y{number}", command_seq=number)
    answer = refused(
        dispatcher.arrive("look", cmd_id="x", command_seq=1000), CommandReason.COMMAND_SEQ_NOT_INCREASING
    )
    assert answer.last_command_seq == 1100
    assert len(dispatcher.devices[BARRIER].commands_received) == 101


async def test_sequence_numbers_are_per_station(dispatcher: DispatcherFixture) -> None:
    dispatcher.done("look", command_seq=5)
    for n in (5, 4, 1):
        refused(dispatcher.arrive("look", command_seq=n), CommandReason.COMMAND_SEQ_NOT_INCREASING)
    dispatcher.done("look", "counter-2", command_seq=1)
    dispatcher.done("look", command_seq=7)


async def test_only_certain_refusals_use_number(
    dispatcher: DispatcherFixture,
) -> None:
    refused(dispatcher.arrive("fly", command_seq=5), CommandReason.UNKNOWN_VERB)
    refused(dispatcher.arrive("look", command_seq=5), CommandReason.COMMAND_SEQ_NOT_INCREASING)
    refused(dispatcher.arrive("look", command_seq=90, session="session-0"), CommandReason.OTHER_SESSION)
    refused(dispatcher.arrive("look", command_seq=90, retain=True), CommandReason.RETAINED)
    dispatcher.done("look", command_seq=6)


async def test_command_of_uncertain_age_expires(
    dispatcher: DispatcherFixture,
) -> None:
    refused(dispatcher.arrive("open-up", expires_s=3, on_its_way_s=3), CommandReason.EXPIRED)
    dispatcher.done("open-up", expires_s=3, on_its_way_s=2.9)
    (_, _, call, _) = dispatcher.devices[BARRIER].commands_received[-1]
    assert call.deadline_ns == dispatcher.time.boot_ns() + 100_000_000


async def test_wall_clock_step_changes_nothing(dispatcher: DispatcherFixture) -> None:
    (claimed,) = dispatcher.arrive("claim", args={"lease_s": 30})
    for jump in (86_400, -2 * 86_400):
        dispatcher.time.jump(jump)
        dispatcher.done("look")
    assert claimed.state is CommandState.DONE
    refused(dispatcher.arrive("open-up", "counter-2"), CommandReason.CLAIMED)


async def test_one_command_runs_beside_stops(dispatcher: DispatcherFixture) -> None:
    dispatcher.arrive("open-up")
    refused(dispatcher.arrive("look"), CommandReason.BUSY)
    (stop,) = dispatcher.arrive("stop", "counter-2")
    assert stop.state is CommandState.ACCEPTED
    dispatcher.arrive("look", position=OTHER)
    assert dispatcher.devices[OTHER].verbs == ["look"], "another device is another matter"
    for _ in range(MAX_URGENT - 1):
        dispatcher.arrive("stop")
    refused(dispatcher.arrive("stop"), CommandReason.BUSY)


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        (StateCode.STARTING, CommandReason.NOT_ONLINE),
        (StateCode.OFFLINE, CommandReason.NOT_ONLINE),
        (StateCode.NO_DEVICE, CommandReason.NOT_ONLINE),
        (StateCode.FAULT, CommandReason.NOT_ONLINE),
        (StateCode.AWAITING_ACCEPTANCE, CommandReason.NOT_ONLINE),
        (StateCode.MAINTENANCE, CommandReason.MAINTENANCE),
        (StateCode.ONLINE, None),
        (StateCode.BUSY, None),
        (StateCode.DEGRADED, None),
    ],
)
async def test_state_decides_and_stop_always_works(
    dispatcher: DispatcherFixture, condition: StateCode, reason: CommandReason | None
) -> None:
    dispatcher.devices[BARRIER].state_code = condition
    if reason is None:
        dispatcher.done("open-up")
    else:
        refused(dispatcher.arrive("open-up"), reason)
    dispatcher.done("stop")


async def test_device_without_worker_is_not_online(dispatcher: DispatcherFixture) -> None:
    dispatcher.devices[BARRIER].is_present = False
    refused(dispatcher.arrive("stop"), CommandReason.NOT_ONLINE)


async def test_stop_needs_any_movement_right(dispatcher: DispatcherFixture) -> None:
    dispatcher.arrive("claim", "counter-2", args={"lease_s": 30})
    dispatcher.done("stop", "counter-1")
    refused(dispatcher.arrive("stop", "guard"), CommandReason.NOT_PERMITTED)
    refused(dispatcher.arrive("stop", "nobody"), CommandReason.UNKNOWN_STATION)


async def test_moves_are_rare_whoever_asks() -> None:
    dispatcher = DispatcherFixture(min_move_interval_s=2, moves_per_min=3)
    dispatcher.done("open-up")
    refused(dispatcher.arrive("open-up", "counter-2"), CommandReason.RATE_LIMITED)
    for _ in range(10):
        dispatcher.done("stop")
    dispatcher.time.advance(1.9)
    refused(dispatcher.arrive("open-up"), CommandReason.RATE_LIMITED)
    dispatcher.time.advance(0.1)
    dispatcher.done("open-up")
    dispatcher.time.advance(2)
    dispatcher.done("open-up")
    dispatcher.time.advance(2)
    refused(dispatcher.arrive("open-up"), CommandReason.RATE_LIMITED)
    dispatcher.done("look")
    dispatcher.done("open-up", "counter-2")
    dispatcher.time.advance(60)
    dispatcher.done("open-up")
    dispatcher.path.stop()


async def test_claim_excludes_others_until_it_ends(dispatcher: DispatcherFixture) -> None:
    (claimed,) = dispatcher.arrive("claim", args={"lease_s": 10})
    assert (claimed.state, claimed.result) == (
        CommandState.DONE,
        {"lease_s": 10, "previous_holder": None},
    )
    shown = dispatcher.retained[TOPICS.claim(BARRIER)]
    assert (shown["holder"], shown["lease_s"], shown["session"]) == ("counter-1", 10, SESSION)
    refused(dispatcher.arrive("open-up", "counter-2"), CommandReason.CLAIMED)
    refused(dispatcher.arrive("claim", "counter-2"), CommandReason.CLAIMED)
    refused(dispatcher.arrive("release", "counter-2"), CommandReason.NOT_CLAIMED)
    assert dispatcher.decided[-1].holder == "counter-1"
    dispatcher.done("open-up")
    dispatcher.time.advance(9)
    assert dispatcher.arrive("renew", args={"lease_s": 10})[0].state is CommandState.DONE
    assert dispatcher.retained[TOPICS.claim(BARRIER)] == shown
    dispatcher.time.advance(9.9)
    refused(dispatcher.arrive("open-up", "counter-2"), CommandReason.CLAIMED)
    dispatcher.time.advance(0.2)
    dispatcher.done("open-up", "counter-2")
    refused(dispatcher.arrive("renew"), CommandReason.NOT_CLAIMED)


async def test_expired_lease_is_published_and_recorded() -> None:
    dispatcher = DispatcherFixture()
    dispatcher.arrive("claim", args={"lease_s": 5})
    dispatcher.time.advance(4.99)
    dispatcher.path.republish_claims()
    assert TOPICS.claim(BARRIER) in dispatcher.retained
    dispatcher.time.advance(0.02)
    dispatcher.path.republish_claims()
    assert dispatcher.retained == {}
    assert [(change.change, change.previous_holder) for change in dispatcher.claims] == [
        ("claimed", None),
        ("expired", "counter-1"),
    ]
    dispatcher.path.stop()


async def test_claim_changes_are_published(dispatcher: DispatcherFixture) -> None:
    dispatcher.arrive("claim", args={"lease_s": 30})
    assert dispatcher.arrive("release")[0].state is CommandState.DONE
    assert dispatcher.retained == {}
    dispatcher.arrive("claim", "counter-2")
    stolen = dispatcher.arrive("steal", "chief", args={"reason": "Counter 2 is unattended."})[0]
    assert stolen.result == {"lease_s": 30, "previous_holder": "counter-2"}
    assert dispatcher.retained[TOPICS.claim(BARRIER)]["holder"] == "chief"
    refused(dispatcher.arrive("open-up", "counter-2"), CommandReason.CLAIMED)
    dispatcher.path.revoke_claim(BARRIER)
    assert dispatcher.retained == {}
    assert [(c.change, c.holder, c.previous_holder, c.reason) for c in dispatcher.claims] == [
        ("claimed", "counter-1", None, ""),
        ("released", None, "counter-1", ""),
        ("claimed", "counter-2", None, ""),
        ("stolen", "chief", "counter-2", "Counter 2 is unattended."),
        ("revoked", None, "chief", ""),
    ]


@pytest.mark.parametrize(
    ("verb", "args"),
    [
        ("claim", {"lease_s": 1}),
        ("claim", {"lease_s": "30"}),
        ("claim", {"reason": "none"}),
        ("steal", {}),
        ("steal", {"reason": "\n\n\n\n"}),
    ],
)
async def test_claim_with_wrong_arguments_is_refused(
    dispatcher: DispatcherFixture, verb: str, args: dict[str, Any]
) -> None:
    (answer,) = dispatcher.arrive(verb, "chief", args=args)
    assert (answer.state, answer.reason) == (CommandState.REJECTED, CommandReason.BAD_REQUEST)
    assert dispatcher.retained == {}


async def test_a_release_takes_nothing(dispatcher: DispatcherFixture) -> None:
    dispatcher.arrive("claim")
    (answer,) = dispatcher.arrive("release", args={"lease_s": 5})
    assert answer.reason is CommandReason.BAD_REQUEST


async def test_the_post_limits_a_lease() -> None:
    dispatcher = DispatcherFixture(max_lease_s=20)
    (claimed,) = dispatcher.arrive("claim", args={"lease_s": 3600})
    assert claimed.result == {"lease_s": 20, "previous_holder": None}
    dispatcher.path.stop()


async def test_lost_role_revokes_claim(dispatcher: DispatcherFixture) -> None:
    dispatcher.arrive("claim", position=OTHER)
    dispatcher.arrive("claim", "counter-2")
    without = dispatcher.path._roles.model_copy(
        update={"station": {n: s for n, s in dispatcher.path._roles.station.items() if n != "counter-2"}}
    )
    dispatcher.path.configure(dispatcher.path._claims._settings, without)
    assert list(dispatcher.retained) == [TOPICS.claim(OTHER)]
    refused(dispatcher.arrive("look", "counter-2"), CommandReason.UNKNOWN_STATION)


async def test_stopping_gateway_refuses_and_revokes(dispatcher: DispatcherFixture) -> None:
    dispatcher.arrive("claim")
    dispatcher.arrive("open-up")
    dispatcher.path.refuse_commands()
    assert dispatcher.retained == {}
    refused(dispatcher.arrive("stop"), CommandReason.STOPPING)
    answer = dispatcher.end(CommandState.FAILED, b"", reason=CommandReason.STOPPING)
    assert answer.reason is CommandReason.STOPPING
    assert dispatcher.ended[-1].reason is CommandReason.STOPPING


async def test_unexpected_result_is_ignored(dispatcher: DispatcherFixture) -> None:
    dispatcher.path.on_command_result(BARRIER, 99, CommandOutcome(CommandState.DONE))
    assert dispatcher.answers == []


async def test_flood_has_few_answers_and_records(
    dispatcher: DispatcherFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "WINDOW_S", 0.2)
    began_s = time.monotonic()
    for _ in range(1000):
        dispatcher.arrive("open-up", "guard")
        dispatcher.arrive("open-up", "nobody")
    dispatcher.done("open-up")
    assert len(dispatcher.answers) <= 2 * 50 + 2
    assert len(dispatcher.decided) == 3
    await until(lambda: len(dispatcher.decided) == 5)
    counted = [decided for decided in dispatcher.decided if decided.count > 1]
    assert [(one.station, one.count) for one in counted] == [("guard", 999), ("nobody", 999)]
    assert all(0 < one.window_s < time.monotonic() - began_s + 0.1 for one in counted)
    await asyncio.sleep(0.5)
    assert len(dispatcher.decided) == 5, "and nothing follows"


async def test_a_flood_of_names_fills_no_disk(dispatcher: DispatcherFixture) -> None:
    for number in range(1000):
        dispatcher.arrive("open-up", f"nobody-{number}")
        dispatcher.arrive(f"verb-{number}", "guard")
    dispatcher.path.stop()
    assert sum(decided.count for decided in dispatcher.decided) == 2000
    assert len(dispatcher.decided) < 2 * audit.MAX_WINDOWS + 5
    assert not [
        decided for decided in dispatcher.decided if decided.verb and decided.verb.startswith("verb-")
    ]


async def test_counted_records_are_written_at_stop(dispatcher: DispatcherFixture) -> None:
    for _ in range(5):
        dispatcher.arrive("open-up", "guard")
    dispatcher.path.stop()
    assert [decided.count for decided in dispatcher.decided] == [1, 4]


async def test_stops_are_recorded_singly_until_flood() -> None:
    dispatcher = DispatcherFixture(max_other_commands_per_min=20)
    for _ in range(100):
        dispatcher.done("stop")
    assert len(dispatcher.devices[BARRIER].commands_received) == 100
    assert 20 <= len(dispatcher.decided) <= 22
    dispatcher.path.stop()
    assert sum(decided.count for decided in dispatcher.decided) == 100
    assert sum(ended.count for ended in dispatcher.ended) == 100


@pytest.mark.parametrize(
    ("args", "recorded"),
    [
        ({"width_cm": 5, "plate": "KAA 001A"}, {"width_cm": 5, "plate": "<str len=8>"}),
        ({"gently": {"speed": 3}}, {"gently": {"speed": "<int>"}}),
        # Invalid arguments may hold anything in any field.
        ({"width_cm": "Wanjiku", "plate": 7}, {"width_cm": "<str>", "plate": "<int>"}),
        ({"Wanjiku": 1, "width_cm": 5}, {"width_cm": "<int>"}),
    ],
)
async def test_arguments_are_recorded_without_personal_data(
    dispatcher: DispatcherFixture, args: dict[str, Any], recorded: dict[str, Any]
) -> None:
    dispatcher.arrive("open-up", args=args)
    (decided,) = dispatcher.decided
    assert decided.args == recorded


@pytest.mark.parametrize("args", [[], None, "now", {"door": float("nan")}])
async def test_stop_ignores_its_arguments(dispatcher: DispatcherFixture, args: Any) -> None:
    (accepted,) = dispatcher.arrive("stop", args=args)
    assert accepted.state is CommandState.ACCEPTED
    assert dispatcher.devices[BARRIER].verbs == ["stop"]

    refused(dispatcher.arrive("open-up", args=args), CommandReason.MALFORMED)


@pytest.mark.parametrize(("station", "is_supervisor"), [("counter-1", False), ("chief", True)])
def test_supervisor_is_told_to_the_driver(
    dispatcher: DispatcherFixture, station: str, is_supervisor: bool
) -> None:
    dispatcher.arrive("open-up", station)
    ((_, _, call, _),) = dispatcher.devices[BARRIER].commands_received

    assert call.is_supervisor is is_supervisor
