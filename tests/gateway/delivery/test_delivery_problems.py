"""Texts of all problems of delivery, and the conditions that clear them."""

from pathlib import Path

import pytest
from support.gateway.sending import in_virtual_time, stream, turn

from drivers.links.link import Action
from gateway.common.problems import Problems
from gateway.contract.states import KeyStorage
from gateway.delivery.destination.problems import DestinationProblems
from gateway.delivery.mqtt.inbound import BROKER_REMEDY, InboundRefusal, RefusedBecause
from gateway.delivery.outbox.database import SetAsideOutbox
from gateway.delivery.outbox.problems import FULL_CLEARED_AFTER_S, OutboxProblems
from gateway.delivery.settings import BrokerSettings, DestinationSettings
from gateway.delivery.stations.problems import StationProblems

FOLDER = Path("/var/lib/post")


@pytest.fixture
def changes():
    return []


@pytest.fixture
def problems(changes):
    return Problems(lambda: changes.append(1))


@pytest.fixture
def destination(problems):
    settings = DestinationSettings.hq(BrokerSettings(host="hq.example", port=8883))
    return DestinationProblems(problems, settings, "bgw/v1/ke-busia")


def active(problems):
    return [(one.cause, one.text, one.action, one.how) for one in problems.active()]


DESTINATION_PROBLEMS = {
    "lost": (
        lambda d: d.connection_lost(),
        "broker_unreachable",
        "The connection to hq is lost; events wait in the outbox.",
        Action.WAIT,
        "",
    ),
    "unreachable": (
        lambda d: d.connect_failed("no answer"),
        "broker_unreachable",
        "No connection to hq (hq.example:8883): no answer. Events wait on disk.",
        Action.WAIT,
        "Check that the broker runs, and the address and credentials in [hq].",
    ),
    "refused": (
        lambda d: d.connect_failed("refused with reason code 0x87"),
        "broker_unreachable",
        "No connection to hq (hq.example:8883): refused with reason code 0x87. Events wait on disk.",
        Action.CONFIGURE,
        "Check that the broker runs, and the address and credentials in [hq].",
    ),
    "certificate": (
        lambda d: d.connect_failed("certificate expired"),
        "broker_unreachable",
        "No connection to hq (hq.example:8883): certificate expired. Events wait on disk.",
        Action.CONFIGURE,
        "Check that the broker runs, and the address and credentials in [hq].",
    ),
    "no_subscriber": (
        lambda d: d.no_subscriber(),
        "no_subscriber",
        "No receiver is subscribed at hq; events wait in the outbox.",
        Action.CALL_SUPPORT,
        "Ask the operators of hq to check that their receiver is subscribed.",
    ),
    "not_taken": (
        lambda d: d.event_refused(3),
        "event_refused",
        "hq refuses events at the moment (reason code 0x03); they wait.",
        Action.WAIT,
        "",
    ),
    "not_authorised": (
        lambda d: d.publish_not_authorised(),
        "publish_not_authorised",
        "hq refuses events as not authorised; all events wait in the outbox.",
        Action.CONFIGURE,
        "Allow the gateway's user to write bgw/v1/ke-busia/# at hq.",
    ),
    "exceeds": (
        lambda d: d.broker_exceeds_limits(InboundRefusal(RefusedBecause.TOO_LARGE, 250_000_000)),
        "broker_exceeds_limits",
        "hq sent a message of 250000000 bytes, which is larger than it may send; "
        "the connection was closed and is made again.",
        Action.CALL_SUPPORT,
        BROKER_REMEDY,
    ),
    "parked": (
        lambda d: d.event_parked(2, "lane-1/reader/record", 7, 0x99),
        "events_parked",
        "2 events cannot be delivered to hq and are parked (last: lane-1/reader/record 7, reason code 0x99).",
        Action.CALL_SUPPORT,
        "borderpost outbox parked gives the reasons; borderpost outbox retry sends them again.",
    ),
    "image_refused": (
        lambda d: d.image_refused("uv"),
        "images_refused",
        "An image (uv) is too large for hq; its event is sent without it.",
        Action.CONFIGURE,
        "Raise max_packet_size of the broker hq.",
    ),
    "state_refused": (
        lambda d: d.state_refused("a/b", 0x90),
        "state_refused",
        "hq refuses the state of a/b (reason code 0x90); it is not shown there.",
        Action.CALL_SUPPORT,
        "",
    ),
}


@pytest.mark.parametrize("name", DESTINATION_PROBLEMS)
def test_destination_problem_texts(problems, destination, name):
    report, *expected = DESTINATION_PROBLEMS[name]
    report(destination)
    assert active(problems) == [tuple(expected)]


@pytest.mark.parametrize(
    ("clear", "causes"),
    [
        (lambda d: d.connected(), {"broker_unreachable"}),
        (lambda d: d.broker_within_limits(), {"broker_exceeds_limits"}),
        (lambda d: d.event_refused_cleared(), {"no_subscriber", "event_refused"}),
        (lambda d: d.publish_authorised(), {"publish_not_authorised"}),
    ],
)
def test_problem_is_cleared(problems, destination, clear, causes):
    """Problems are cleared for one destination only."""
    other = DestinationProblems(problems, DestinationSettings.local(BrokerSettings(port=1)), "x")
    for one in (destination, other):
        for report, *_ in DESTINATION_PROBLEMS.values():
            report(one)
    before = [problem.cause for problem in problems.active()]
    clear(destination)
    after = [problem.cause for problem in problems.active()]
    assert len(before) == len(after) + len(causes)
    assert {cause for cause in before if before.count(cause) != after.count(cause)} == causes


def test_problem_keeps_start_time(problems, changes):
    problems.add("a", "one", Action.WAIT)
    (first,) = problems.active()
    problems.add("a", "one", Action.CALL_SUPPORT)
    assert problems.active() == (first,)
    assert len(changes) == 1
    problems.add("a", "two", Action.CALL_SUPPORT, "how")
    (second,) = problems.active()
    assert (second.text, second.action, second.how, second.since) == (
        "two",
        Action.CALL_SUPPORT,
        "how",
        first.since,
    )
    assert len(changes) == 2
    problems.add("a", "one", Action.WAIT, about="x")
    assert len(problems.active()) == 2
    problems.clear("a")
    assert [one.text for one in problems.active()] == ["one"]
    problems.clear("a")
    assert len(changes) == 4


OUTBOX_PROBLEMS = {
    "key": (
        lambda o: o.key_storage(KeyStorage.DISK),
        "encryption_key_on_same_disk",
        "The outbox's key is stored on the same disk: whoever takes the disk can read the queued events.",
        Action.CONFIGURE,
        "Give the gateway a key as a systemd credential: see borderpost outbox --help",
    ),
    "key_without_tpm": (
        lambda o: o.key_storage(KeyStorage.MACHINE),
        "encryption_key_on_same_disk",
        "The outbox's key is sealed without a TPM 2, by a secret on the same disk: whoever takes the disk "
        "can read the queued events.",
        Action.CONFIGURE,
        "Use a machine with a TPM 2, or encrypt its disk. If the machine is stolen, treat the undelivered "
        "events of travellers as disclosed.",
    ),
    "damaged_file": (
        lambda o: o.set_aside(SetAsideOutbox(FOLDER / "outbox.db.x", "outbox_corrupt")),
        "outbox_corrupt",
        "The outbox was damaged and was set aside as outbox.db.x; a new one was begun.",
        Action.CALL_SUPPORT,
        "Keep /var/lib/post/outbox.db.x for those who maintain the gateway.",
    ),
    "other_key": (
        lambda o: o.set_aside(SetAsideOutbox(FOLDER / "outbox.db.x", "master_key_changed")),
        "master_key_changed",
        "The outbox was encrypted with another key and was set aside as outbox.db.x; a new one was begun.",
        Action.CALL_SUPPORT,
        "Keep /var/lib/post/outbox.db.x for those who maintain the gateway.",
    ),
    "commits_lost": (
        lambda o: o.commits_lost(),
        "outbox_corrupt",
        "The end of the outbox was damaged: the last events before this start may be lost.",
        Action.CALL_SUPPORT,
        "Look for disk errors with dmesg.",
    ),
    "full_disk": (
        lambda o: o.disk_trouble("disk_full"),
        "disk_full",
        "The disk of /var/lib/post is full; events are sent, but kept in memory only until this is fixed.",
        Action.CALL_SUPPORT,
        "Free space on that disk: df -h /var/lib/post",
    ),
    "read_only": (
        lambda o: o.disk_trouble("disk_read_only"),
        "disk_read_only",
        "The disk of /var/lib/post is mounted read-only, often after a disk error; "
        "events are sent, but kept in memory only until this is fixed.",
        Action.CALL_SUPPORT,
        "Look for the cause with dmesg, then: mount -o remount,rw the file system of /var/lib/post",
    ),
    "slow": (
        lambda o: o.disk_slow(),
        "outbox_disk_slow",
        "The disk is slower than the devices; events were dropped.",
        Action.CALL_SUPPORT,
        "Look for disk errors with dmesg.",
    ),
    "damaged": (
        lambda o: o.event_damaged(stream(3), 7),
        "events_damaged",
        "Events in the outbox are damaged and will not be delivered (last: lane-1/reader-3/record 7).",
        Action.CALL_SUPPORT,
        "Look for disk errors with dmesg.",
    ),
    "image": (
        lambda o: o.image_too_large("uv", "lane-1/reader"),
        "image_too_large",
        "An image (uv) of lane-1/reader is larger than the post allows; its event was sent without it.",
        Action.CONFIGURE,
        "Raise max_blob_bytes, or lower the resolution of the device.",
    ),
}


@pytest.mark.parametrize("name", OUTBOX_PROBLEMS)
def test_outbox_problem_texts(problems, name):
    report, *expected = OUTBOX_PROBLEMS[name]
    report(OutboxProblems(problems, FOLDER))
    assert active(problems) == [tuple(expected)]


def test_one_disk_trouble_at_a_time(problems):
    outbox = OutboxProblems(problems, FOLDER)
    outbox.disk_slow()
    outbox.disk_trouble("disk_full")
    outbox.disk_trouble("disk_error")
    assert [one.cause for one in problems.active()] == ["outbox_disk_slow", "disk_error"]
    outbox.disk_trouble(None)
    assert problems.active() == ()


@in_virtual_time
async def test_full_outbox_problem_is_cleared_later():
    problems = Problems(lambda: None)
    outbox = OutboxProblems(problems, FOLDER)
    outbox.outbox_full(0, 2)
    assert active(problems)[0][1] == "The outbox is full: 0 events and 2 images were dropped."
    for number, seq in ((2, 7), (1, 5), (1, 3), (1, 4)):
        outbox.record_drop(stream(number), seq)
    await turn(FULL_CLEARED_AFTER_S - 1)
    outbox.outbox_full(4, 2)
    text = "4 events and 2 images were dropped (lane-1/reader-1/record 3-5, lane-1/reader-2/record 7-7)."
    assert active(problems) == [
        (
            "outbox_full",
            f"The outbox is full: {text}",
            Action.CALL_SUPPORT,
            "Restore the connection to the destinations that events wait for.",
        )
    ]
    await turn(FULL_CLEARED_AFTER_S - 1)
    assert len(problems.active()) == 1
    await turn(2)
    assert problems.active() == ()
    outbox.outbox_full(4, 2)
    assert active(problems)[0][1] == "The outbox is full: 4 events and 2 images were dropped."
    outbox.stop()
    await turn(FULL_CLEARED_AFTER_S + 1)
    assert len(problems.active()) == 1


@in_virtual_time
async def test_eight_streams_are_named():
    problems = Problems(lambda: None)
    outbox = OutboxProblems(problems, FOLDER)
    for number in range(1, 10):
        outbox.record_drop(stream(number), 1)
    outbox.outbox_full(9, 0)
    assert active(problems)[0][1].count("reader-") == 8
    outbox.stop()


STATION_PROBLEMS = {
    "subscribed": (
        lambda d: d.subscription_result(0x87),
        "command_subscription_refused",
        "hq refused the subscription to commands (0x87); no command will arrive.",
        Action.CONFIGURE,
        "Allow the gateway to read bgw/v1/ke-busia/+/+/cmd/+/+ at hq.",
        lambda d: d.subscription_result(None),
    ),
    "guarded": (
        lambda d: d.acl_probed(enforced=False),
        "broker_acl_missing",
        "hq has no access control list, so commands are ignored: their sender cannot be verified.",
        Action.CONFIGURE,
        "Run Mosquitto with the access list that `borderpost trust` makes: config/mosquitto/README.md",
        lambda d: d.acl_probed(enforced=True),
    ),
    "flood": (
        lambda d: d.flood("lane-2"),
        "station_flooding",
        "Station lane-2 sends more or larger commands than the gateway accepts; most are dropped. "
        "Other stations are not affected.",
        Action.CALL_SUPPORT,
        "Stop the program at lane-2. If it is not yours: borderpost trust revoke lane-2",
        lambda d: d.flood_over("lane-2"),
    ),
    "unreachable": (
        lambda d: d.connect_failed("lane-2", "refused with reason code 0x89"),
        "commands_unreachable",
        "No connection to hq for the commands of lane-2: refused with reason code 0x89. "
        "The gateway receives none of them.",
        Action.CONFIGURE,
        "Check that hq accepts one connection of the gateway for each station.",
        lambda d: d.connected("lane-2"),
    ),
}


@pytest.mark.parametrize("name", STATION_PROBLEMS)
def test_station_problem_texts(problems, name):
    report, *expected, clear = STATION_PROBLEMS[name]
    station_problems = StationProblems(problems, "hq", "bgw/v1/ke-busia")
    report(station_problems)
    assert active(problems) == [tuple(expected)]
    clear(station_problems)
    assert active(problems) == []
