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


async def test_done_command_is_answered_and_recorded(desk: DispatcherFixture) -> None:
    (accepted,) = desk.arrive(
        "open-up", correlation=b"mine", args={"width_cm": 30, "plate": "KAA 001A"}, transaction="t-7"
    )
    ((_, verb, call, args),) = desk.devices[BARRIER].commands_received
    assert (verb, call.id, call.issuer, call.transaction) == ("open-up", "c1", "counter-1", "t-7")
    assert args == {"width_cm": 30, "plate": "KAA 001A"}
    assert call.deadline_ns == desk.time.boot_ns() + 3_000_000_000
    assert (accepted.state, accepted.transaction) == (CommandState.ACCEPTED, "t-7")

    desk.time.advance(0.5)
    done = desk.end(result=b'{"width_cm":30}')
    assert (done.state, done.result, done.cmd_id) == (CommandState.DONE, {"width_cm": 30}, "c1")
    assert [(topic, data) for topic, _, data in desk.answers] == [
        (TOPICS.answer(BARRIER, "counter-1"), b"mine")
    ] * 2

    (decided,), (ended,) = desk.decided, desk.ended
    assert (decided.cmd_id, decided.station, decided.verb, decided.decision) == (
        "c1",
        "counter-1",
        "open-up",
        CommandState.ACCEPTED,
    )
    assert decided.args == {"width_cm": 30, "plate": "<str len=8>"}
    assert decided.remaining_ms == 3000
    assert (ended.state, ended.duration_ms) == (CommandState.DONE, 500)
    assert [(where, transaction) for where, _, transaction in desk.records] == [(BARRIER, "t-7")] * 2


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
    desk: DispatcherFixture, more: dict[str, Any], reason: CommandReason
) -> None:
    refused(desk.arrive(**{"verb": "open-up", **more}), reason)
    assert desk.devices[BARRIER].commands_received == []
    (decided,) = desk.decided
    assert (decided.reason, decided.count) == (reason, 1)
    assert desk.retained == {}


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


async def test_response_topic_is_ignored(desk: DispatcherFixture) -> None:
    desk.arrive("look")
    desk.arrive("look", "nobody")
    assert {topic for topic, _, _ in desk.answers} == {
        TOPICS.answer(BARRIER, "counter-1"),
        TOPICS.answer(BARRIER, "nobody"),
    }


async def test_topic_without_sender_is_not_answered(desk: DispatcherFixture) -> None:
    assert desk.arrive("open-up", topic="bgw/v1/uto-test/lane-1/barrier/cmd/open-up/a b") == []
    (decided,) = desk.decided
    assert (decided.station, decided.reason) == (None, CommandReason.MALFORMED)
    assert desk.arrive("open-up", topic="bgw/v1/uto-test/lane-1/barrier/evt/open-up") == []
    assert len(desk.decided) == 1


async def test_command_for_other_gateway_is_ignored(desk: DispatcherFixture) -> None:
    assert desk.arrive("open-up", position=Position("lane-9", "barrier")) == []
    assert desk.records == []


async def test_repeated_command_repeats_answer(desk: DispatcherFixture) -> None:
    (accepted,) = desk.arrive("open-up", cmd_id="x", command_seq=1)
    assert desk.arrive("open-up", cmd_id="x", command_seq=1) == [accepted], "while it still runs"
    done = desk.end()
    assert desk.arrive("open-up", cmd_id="x", command_seq=1, correlation=b"again") == [done]
    assert desk.answers[-1][2] == b"again"
    assert desk.devices[BARRIER].verbs == ["open-up"]
    assert len(desk.decided) == 1

    (rejected,) = desk.arrive("fly", cmd_id="y", command_seq=2)
    assert desk.arrive("fly", cmd_id="y", command_seq=2) == [rejected], "a refusal is an answer too"


async def test_an_id_means_one_command_only(desk: DispatcherFixture) -> None:
    (first,) = desk.arrive("open-up", cmd_id="x")
    refused(desk.arrive("stop", cmd_id="x"), CommandReason.ID_REUSED)
    refused(desk.arrive("open-up", cmd_id="x", position=OTHER), CommandReason.ID_REUSED)
    assert desk.arrive("open-up", cmd_id="x") == [first]
    (other,) = desk.arrive("look", "counter-2", cmd_id="x", position=OTHER)
    assert other.state is CommandState.ACCEPTED, "each station names its own"


async def test_command_with_dropped_answer_is_refused(desk: DispatcherFixture) -> None:
    desk.done("look", cmd_id="x", command_seq=1000)
    for number in range(1001, 1101):
        desk.done("look", cmd_id=f"y{number}", command_seq=number)
    answer = refused(
        desk.arrive("look", cmd_id="x", command_seq=1000), CommandReason.COMMAND_SEQ_NOT_INCREASING
    )
    assert answer.last_command_seq == 1100
    assert len(desk.devices[BARRIER].commands_received) == 101


async def test_sequence_numbers_are_per_station(desk: DispatcherFixture) -> None:
    desk.done("look", command_seq=5)
    for n in (5, 4, 1):
        refused(desk.arrive("look", command_seq=n), CommandReason.COMMAND_SEQ_NOT_INCREASING)
    desk.done("look", "counter-2", command_seq=1)
    desk.done("look", command_seq=7)


async def test_only_certain_refusals_use_number(
    desk: DispatcherFixture,
) -> None:
    refused(desk.arrive("fly", command_seq=5), CommandReason.UNKNOWN_VERB)
    refused(desk.arrive("look", command_seq=5), CommandReason.COMMAND_SEQ_NOT_INCREASING)
    refused(desk.arrive("look", command_seq=90, session="session-0"), CommandReason.OTHER_SESSION)
    refused(desk.arrive("look", command_seq=90, retain=True), CommandReason.RETAINED)
    desk.done("look", command_seq=6)


async def test_command_of_uncertain_age_expires(
    desk: DispatcherFixture,
) -> None:
    refused(desk.arrive("open-up", expires_s=3, on_its_way_s=3), CommandReason.EXPIRED)
    desk.done("open-up", expires_s=3, on_its_way_s=2.9)
    (_, _, call, _) = desk.devices[BARRIER].commands_received[-1]
    assert call.deadline_ns == desk.time.boot_ns() + 100_000_000


async def test_wall_clock_step_changes_nothing(desk: DispatcherFixture) -> None:
    (claimed,) = desk.arrive("claim", args={"lease_s": 30})
    for jump in (86_400, -2 * 86_400):
        desk.time.jump(jump)
        desk.done("look")
    assert claimed.state is CommandState.DONE
    refused(desk.arrive("open-up", "counter-2"), CommandReason.CLAIMED)


async def test_one_command_runs_beside_stops(desk: DispatcherFixture) -> None:
    desk.arrive("open-up")
    refused(desk.arrive("look"), CommandReason.BUSY)
    (stop,) = desk.arrive("stop", "counter-2")
    assert stop.state is CommandState.ACCEPTED
    desk.arrive("look", position=OTHER)
    assert desk.devices[OTHER].verbs == ["look"], "another device is another matter"
    for _ in range(MAX_URGENT - 1):
        desk.arrive("stop")
    refused(desk.arrive("stop"), CommandReason.BUSY)


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
    desk: DispatcherFixture, condition: StateCode, reason: CommandReason | None
) -> None:
    desk.devices[BARRIER].state_code = condition
    if reason is None:
        desk.done("open-up")
    else:
        refused(desk.arrive("open-up"), reason)
    desk.done("stop")


async def test_device_without_worker_is_not_online(desk: DispatcherFixture) -> None:
    desk.devices[BARRIER].is_present = False
    refused(desk.arrive("stop"), CommandReason.NOT_ONLINE)


async def test_stop_needs_any_movement_right(desk: DispatcherFixture) -> None:
    desk.arrive("claim", "counter-2", args={"lease_s": 30})
    desk.done("stop", "counter-1")
    refused(desk.arrive("stop", "guard"), CommandReason.NOT_PERMITTED)
    refused(desk.arrive("stop", "nobody"), CommandReason.UNKNOWN_STATION)


async def test_moves_are_rare_whoever_asks() -> None:
    desk = DispatcherFixture(min_move_interval_s=2, moves_per_min=3)
    desk.done("open-up")
    refused(desk.arrive("open-up", "counter-2"), CommandReason.RATE_LIMITED)
    for _ in range(10):
        desk.done("stop")
    desk.time.advance(2)
    desk.done("open-up")
    desk.time.advance(2)
    desk.done("open-up")
    desk.time.advance(2)
    refused(desk.arrive("open-up"), CommandReason.RATE_LIMITED)
    desk.done("look")
    desk.done("open-up", "counter-2")
    desk.time.advance(60)
    desk.done("open-up")
    desk.path.stop()


async def test_claim_excludes_others_until_it_ends(desk: DispatcherFixture) -> None:
    (claimed,) = desk.arrive("claim", args={"lease_s": 10})
    assert (claimed.state, claimed.result) == (
        CommandState.DONE,
        {"lease_s": 10, "previous_holder": None},
    )
    shown = desk.retained[TOPICS.claim(BARRIER)]
    assert (shown["holder"], shown["lease_s"], shown["session"]) == ("counter-1", 10, SESSION)
    refused(desk.arrive("open-up", "counter-2"), CommandReason.CLAIMED)
    refused(desk.arrive("claim", "counter-2"), CommandReason.CLAIMED)
    refused(desk.arrive("release", "counter-2"), CommandReason.NOT_CLAIMED)
    assert desk.decided[-1].holder == "counter-1"
    desk.done("open-up")
    desk.time.advance(9)
    assert desk.arrive("renew", args={"lease_s": 10})[0].state is CommandState.DONE
    assert desk.retained[TOPICS.claim(BARRIER)] == shown
    desk.time.advance(9.9)
    refused(desk.arrive("open-up", "counter-2"), CommandReason.CLAIMED)
    desk.time.advance(0.2)
    desk.done("open-up", "counter-2")
    refused(desk.arrive("renew"), CommandReason.NOT_CLAIMED)


async def test_expired_lease_is_published_and_recorded() -> None:
    desk = DispatcherFixture()
    desk.arrive("claim", args={"lease_s": 5})
    desk.time.advance(4.99)
    desk.path.republish_claims()
    assert TOPICS.claim(BARRIER) in desk.retained
    desk.time.advance(0.02)
    desk.path.republish_claims()
    assert desk.retained == {}
    assert [(change.change, change.previous_holder) for change in desk.claims] == [
        ("claimed", None),
        ("expired", "counter-1"),
    ]
    desk.path.stop()


async def test_claim_changes_are_published(desk: DispatcherFixture) -> None:
    desk.arrive("claim", args={"lease_s": 30})
    assert desk.arrive("release")[0].state is CommandState.DONE
    assert desk.retained == {}
    desk.arrive("claim", "counter-2")
    stolen = desk.arrive("steal", "chief", args={"reason": "Counter 2 is unattended."})[0]
    assert stolen.result == {"lease_s": 30, "previous_holder": "counter-2"}
    assert desk.retained[TOPICS.claim(BARRIER)]["holder"] == "chief"
    refused(desk.arrive("open-up", "counter-2"), CommandReason.CLAIMED)
    desk.path.revoke_claim(BARRIER)
    assert desk.retained == {}
    assert [(c.change, c.holder, c.previous_holder, c.reason) for c in desk.claims] == [
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
    desk: DispatcherFixture, verb: str, args: dict[str, Any]
) -> None:
    (answer,) = desk.arrive(verb, "chief", args=args)
    assert (answer.state, answer.reason) == (CommandState.REJECTED, CommandReason.BAD_REQUEST)
    assert desk.retained == {}


async def test_a_release_takes_nothing(desk: DispatcherFixture) -> None:
    desk.arrive("claim")
    (answer,) = desk.arrive("release", args={"lease_s": 5})
    assert answer.reason is CommandReason.BAD_REQUEST


async def test_the_post_limits_a_lease() -> None:
    desk = DispatcherFixture(max_lease_s=20)
    (claimed,) = desk.arrive("claim", args={"lease_s": 3600})
    assert claimed.result == {"lease_s": 20, "previous_holder": None}
    desk.path.stop()


async def test_lost_role_revokes_claim(desk: DispatcherFixture) -> None:
    desk.arrive("claim", position=OTHER)
    desk.arrive("claim", "counter-2")
    without = desk.path._roles.model_copy(
        update={"station": {n: s for n, s in desk.path._roles.station.items() if n != "counter-2"}}
    )
    desk.path.configure(desk.path._claims._settings, without)
    assert list(desk.retained) == [TOPICS.claim(OTHER)]
    refused(desk.arrive("look", "counter-2"), CommandReason.UNKNOWN_STATION)


async def test_stopping_gateway_refuses_and_revokes(desk: DispatcherFixture) -> None:
    desk.arrive("claim")
    desk.arrive("open-up")
    desk.path.refuse_commands()
    assert desk.retained == {}
    refused(desk.arrive("stop"), CommandReason.STOPPING)
    answer = desk.end(CommandState.FAILED, b"", reason=CommandReason.STOPPING)
    assert answer.reason is CommandReason.STOPPING
    assert desk.ended[-1].reason is CommandReason.STOPPING


async def test_unexpected_result_is_ignored(desk: DispatcherFixture) -> None:
    desk.path.on_command_result(BARRIER, 99, CommandOutcome(CommandState.DONE))
    assert desk.answers == []


async def test_flood_has_few_answers_and_records(
    desk: DispatcherFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "WINDOW_S", 0.2)
    began_s = time.monotonic()
    for _ in range(1000):
        desk.arrive("open-up", "guard")
        desk.arrive("open-up", "nobody")
    desk.done("open-up")
    assert len(desk.answers) <= 2 * 50 + 2
    assert len(desk.decided) == 3
    await until(lambda: len(desk.decided) == 5)
    counted = [decided for decided in desk.decided if decided.count > 1]
    assert [(one.station, one.count) for one in counted] == [("guard", 999), ("nobody", 999)]
    assert all(0 < one.window_s < time.monotonic() - began_s + 0.1 for one in counted)
    await asyncio.sleep(0.5)
    assert len(desk.decided) == 5, "and nothing follows"


async def test_a_flood_of_names_fills_no_disk(desk: DispatcherFixture) -> None:
    for number in range(1000):
        desk.arrive("open-up", f"nobody-{number}")
        desk.arrive(f"verb-{number}", "guard")
    desk.path.stop()
    assert sum(decided.count for decided in desk.decided) == 2000
    assert len(desk.decided) < 2 * audit.MAX_WINDOWS + 5
    assert not [decided for decided in desk.decided if decided.verb and decided.verb.startswith("verb-")]


async def test_counted_records_are_written_at_stop(desk: DispatcherFixture) -> None:
    for _ in range(5):
        desk.arrive("open-up", "guard")
    desk.path.stop()
    assert [decided.count for decided in desk.decided] == [1, 4]


async def test_stops_are_recorded_singly_until_flood() -> None:
    desk = DispatcherFixture(max_other_commands_per_min=20)
    for _ in range(100):
        desk.done("stop")
    assert len(desk.devices[BARRIER].commands_received) == 100
    assert 20 <= len(desk.decided) <= 22
    desk.path.stop()
    assert sum(decided.count for decided in desk.decided) == 100
    assert sum(ended.count for ended in desk.ended) == 100


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
    desk: DispatcherFixture, args: dict[str, Any], recorded: dict[str, Any]
) -> None:
    desk.arrive("open-up", args=args)
    (decided,) = desk.decided
    assert decided.args == recorded
