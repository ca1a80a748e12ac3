"""Detection of messages that end connections, without a destination."""

import pytest

from gateway.delivery.destination.poison import (
    MAX_WAIT_S,
    QUARANTINE_LOSSES,
    SUSPECT_LOSSES,
    PoisonMessageDetector,
    Suspect,
)

EVENT, IMAGE, LATER = (1, 7, -1), (1, 7, 0), (1, 8, -1)
STATED, SILENT = 0x95, 0x80


@pytest.fixture
def detector() -> PoisonMessageDetector:
    return PoisonMessageDetector(retry_s=10)


def lose(detector: PoisonMessageDetector, times: int, in_flight: int = 3, reason: int | None = None) -> None:
    for _ in range(times):
        detector.on_connection_lost(EVENT, in_flight, reason, 100.0)


def test_named_single_message_is_not_sent_again(detector: PoisonMessageDetector) -> None:
    lose(detector, 1, in_flight=1, reason=STATED)
    assert detector.quarantined == {EVENT: STATED}
    assert detector.serialised_left == 0


def test_named_cause_makes_messages_single(detector: PoisonMessageDetector) -> None:
    lose(detector, 1, in_flight=3, reason=STATED)
    assert (detector.quarantined, detector.serialised_left) == ({}, 3)
    lose(detector, 1, in_flight=2, reason=STATED)
    assert detector.serialised_left == 3, "the larger number counts"


def test_losses_with_one_message_make_it_single(detector: PoisonMessageDetector) -> None:
    lose(detector, SUSPECT_LOSSES - 1)
    assert detector.serialised_left == 0
    detector.on_connection_lost(LATER, 3, None, 100.0)
    lose(detector, SUSPECT_LOSSES - 1)
    assert detector.serialised_left == 0, "another message came between"
    lose(detector, 1, in_flight=5)
    assert detector.serialised_left == 5


@pytest.mark.parametrize("reason", [None, SILENT])
def test_many_losses_make_a_suspect(detector: PoisonMessageDetector, reason: int | None) -> None:
    lose(detector, QUARANTINE_LOSSES - 1, in_flight=1, reason=reason)
    assert detector.suspects == {}
    lose(detector, 1, in_flight=1, reason=reason)
    suspect = detector.suspects[1]
    assert (suspect.key, suspect.seq, suspect.due_s, suspect.is_other_accepted) == (EVENT, 7, 0.0, False)
    assert detector.quarantined == {}


def test_state_that_ends_connections_is_given_up(detector: PoisonMessageDetector) -> None:
    for _ in range(QUARANTINE_LOSSES):
        detector.on_connection_lost("a/state", 1, None, 100.0)
    assert (detector.quarantined, detector.suspects) == ({"a/state": 0x80}, {})


def test_suspect_waits_twice_as_long_each_time(detector: PoisonMessageDetector) -> None:
    lose(detector, QUARANTINE_LOSSES, in_flight=1)
    suspect = detector.suspects[1]
    waits = []
    for _ in range(20):
        detector.on_connection_lost(LATER, 1, None, 1000.0)
        waits.append(suspect.due_s - 1000.0)
    assert waits[:8] == [10, 20, 40, 80, 160, 320, MAX_WAIT_S, MAX_WAIT_S]
    assert waits[-1] == MAX_WAIT_S
    assert suspect.failures == 16
    assert detector.quarantined == {}


@pytest.mark.parametrize("lost", [EVENT, IMAGE])
def test_suspect_is_given_up_after_another(
    detector: PoisonMessageDetector, lost: tuple[int, int, int]
) -> None:
    lose(detector, QUARANTINE_LOSSES, in_flight=1)
    detector.suspects[1].is_other_accepted = True
    detector.on_connection_lost(lost, 1, None, 100.0)
    assert (detector.quarantined, detector.suspects) == ({lost: 0x80}, {})


def test_other_event_clears_no_suspect(detector: PoisonMessageDetector) -> None:
    """Both ended the connection: nothing is proven, and both are tried again."""
    lose(detector, QUARANTINE_LOSSES, in_flight=1)
    suspect = detector.suspects[1]
    suspect.is_other_accepted = True
    detector.on_connection_lost(LATER, 1, None, 100.0)
    assert (suspect.is_other_accepted, detector.quarantined) == (False, {})
    assert detector.suspects == {1: suspect}


def test_suspect_among_others_is_not_judged(detector: PoisonMessageDetector) -> None:
    lose(detector, QUARANTINE_LOSSES, in_flight=1)
    detector.suspects[1].is_other_accepted = True
    lose(detector, 1, in_flight=2)
    assert detector.quarantined == {}
    detector.on_connection_lost((2, 1, -1), 1, STATED, 100.0)
    assert detector.quarantined == {(2, 1, -1): STATED}
    assert list(detector.suspects) == [1]


def test_first_in_flight_is_suspect(detector: PoisonMessageDetector) -> None:
    for losses in range(1, 6):
        detector.on_connection_lost((1, 1, -1), 4, None, 0)
        assert (detector.serialised_left, detector.suspects) == (4 if losses >= 3 else 0, {})
    detector.on_connection_lost((1, 1, -1), 1, None, 0)
    assert detector.suspects == {1: Suspect((1, 1, -1))}
    assert detector.quarantined == {}


def test_other_suspect_resets_losses(detector: PoisonMessageDetector) -> None:
    for first in ("a", "a", "b", "a", "a"):
        detector.on_connection_lost(first, 2, None, 0)
    assert (detector.serialised_left, detector.quarantined) == (0, {})
    detector.on_connection_lost("a", 2, None, 0)
    assert detector.serialised_left == 2


def test_disconnect_reason_quarantines_sooner(detector: PoisonMessageDetector) -> None:
    detector.on_connection_lost("a", 3, 0x95, 0)
    assert (detector.serialised_left, detector.quarantined) == (3, {})
    detector.on_connection_lost("a", 2, 0x95, 0)
    assert detector.serialised_left == 3
    detector.on_connection_lost("b", 1, 0x95, 0)
    assert detector.quarantined == {"b": 0x95}
    detector.on_connection_lost("b", 1, None, 0)
    assert (detector.quarantined, detector._losses) == ({"b": 0x95}, 1)


def test_suspect_is_proved_by_another_of_its_topic(detector: PoisonMessageDetector) -> None:
    for _ in range(6):
        detector.on_connection_lost(EVENT, 1, None, 0)
    detector.on_connection_lost(LATER, 1, None, 100)  # the other one ends the connection as well
    assert (detector.suspects[1].due_s, detector.quarantined) == (110, {})
    detector.on_connection_lost(EVENT, 1, None, 110)  # no other one was accepted
    assert (detector.suspects[1].due_s, detector.quarantined) == (130, {})
    detector.suspects[1].is_other_accepted = True
    detector.on_connection_lost(EVENT, 1, None, 130)
    assert (detector.suspects, detector.quarantined) == ({}, {EVENT: 0x80})
