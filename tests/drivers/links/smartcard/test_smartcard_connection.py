"""Waits for a slot: another program has it, or the service is slow; the two are told apart."""

import threading
from collections.abc import Iterator

import pytest

from drivers.links.link import Cause, LinkError
from drivers.links.smartcard import CardUnavailable, connection


@pytest.fixture
def hold(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """A service that does not answer before the end of the test; counted attempts."""
    released = threading.Event()
    monkeypatch.setattr(connection, "HELD_S", 0.2)
    monkeypatch.setattr(connection, "SLOW_S", 0.6)
    monkeypatch.setattr(connection, "_left", {})
    monkeypatch.setattr(connection, "_connected", lambda slot: (released.wait(60) and -1, None))
    yield released
    released.set()
    for thread in threading.enumerate():
        if thread.name == "pcsc-connect":
            thread.join()


@pytest.mark.parametrize(("in_use", "cause"), [(True, Cause.PORT_HELD), (False, Cause.NO_RESPONSE)])
def test_slow_service_is_no_other_program(hold: threading.Event, in_use: bool, cause: Cause) -> None:
    for _ in range(2):
        with pytest.raises(LinkError) as caught:
            connection.connect("Slot", lambda: False, lambda: in_use)
        assert caught.value.cause is cause
    assert [one.name for one in threading.enumerate()].count("pcsc-connect") == 1


@pytest.mark.parametrize("earlier", [False, True])
def test_abandoned_wait_ends_at_once(hold: threading.Event, earlier: bool) -> None:
    if earlier:
        with pytest.raises(LinkError):
            connection.connect("Slot", lambda: False, lambda: True)
    with pytest.raises(CardUnavailable):
        connection.connect("Slot", lambda: True, lambda: False)
