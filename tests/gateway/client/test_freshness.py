"""Freshness at a workstation: which retained messages are known to be the newest, and for how long."""

import pytest

from gateway.client.freshness import SILENCE_S, Freshness
from gateway.contract.states import FreshToken, Revision

STATE = "lane-1/barrier/state"


def token(number: int = 1, *, session: str = "s1", **numbers: int) -> FreshToken:
    named = {f"lane-1/barrier/{name}": value for name, value in numbers.items()}
    return FreshToken(session=session, token=f"t{number}", number=number, numbers=named)


def holding(number: int, *, session: str = "s1", key: str = "k") -> Freshness:
    freshness = Freshness()
    assert freshness.hold(STATE, Revision(session, number, key))
    return freshness


@pytest.mark.parametrize(("held", "newest", "current"), [(4, 4, True), (5, 4, True), (3, 4, False)])
def test_message_is_compared_with_the_token(held: int, newest: int, current: bool) -> None:
    freshness = holding(held)
    freshness.on_token(token(state=newest), None, 0, "k")

    assert freshness.is_current(STATE, 0) is current


@pytest.mark.parametrize(
    ("message", "key"),
    [(token(), "k"), (token(state=4, session="s2"), "k"), (token(state=4), "other")],
    ids=["cleared", "other session", "other key"],
)
def test_token_says_nothing_of_the_message(message: FreshToken, key: str) -> None:
    freshness = holding(4)
    freshness.on_token(message, None, 0, key)

    assert not freshness.is_current(STATE, 0)


def test_message_without_any_token_is_not_current() -> None:
    assert not holding(4).is_current(STATE, 0)


def test_silence_ends_what_is_current() -> None:
    freshness = holding(4)
    freshness.on_token(token(state=4), None, 0, "k")

    assert freshness.is_current(STATE, SILENCE_S)
    assert not freshness.is_current(STATE, SILENCE_S + 0.1)


def test_older_message_does_not_replace_newer() -> None:
    freshness = holding(4)

    assert not freshness.hold(STATE, Revision("s1", 3, "k"))
    assert freshness.hold(STATE, Revision("s1", 4, "k"))
    assert freshness.hold(STATE, Revision("s2", 1, "k"))


def test_token_is_used_until_its_life_ends() -> None:
    freshness = Freshness()
    freshness.on_token(token(), 2, 10, None)

    assert (freshness.token("s1", 11.9), freshness.token("s1", 12), freshness.token("s2", 11)) == (
        "t1",
        None,
        None,
    )


def test_expiry_of_the_broker_prolongs_no_token() -> None:
    freshness = Freshness()
    freshness.on_token(token(), 4_294_967_295, 0, None)

    assert freshness.token("s1", 6) is None


def test_old_token_is_refused_also_after_reconnect() -> None:
    freshness = Freshness()
    assert freshness.on_token(token(2), None, 0, "k")
    freshness.on_disconnected()

    assert freshness.token("s1", 0) is None
    assert not freshness.on_token(token(1), None, 0, "k")
    assert not freshness.on_token(token(2), None, 0, "k")
    assert freshness.on_token(token(3), None, 0, "k")
