"""Retained messages by destination: refused ones are sent again, cleared ones are forgotten."""

from gateway.delivery.destination.retained import RetainedMessages

TOPIC = "bgw/v1/uto-test/lane-1/reader/state"


def test_cleared_topic_is_not_resent() -> None:
    """A state was refused, then cleared everywhere: its delayed repetition must not be sent."""
    retained = RetainedMessages(("local",), lambda _topic, _held: None)
    retained.set(TOPIC, b"{}", "application/json")
    retained.pop_due("local")
    retained.retry("local", TOPIC, delayed=True)
    retained.set(TOPIC, None, "")
    _, _, _, version = retained.pop_due("local")
    retained.on_ack("local", TOPIC, version)

    retained.mark_delayed_due("local")

    assert not retained.due["local"]
    assert retained.topics == frozenset()
