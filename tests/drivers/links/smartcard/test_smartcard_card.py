"""Codes of the service for one command: the card left, the length was refused, or the service failed."""

import pytest

from drivers.links.link import Cause, LinkError
from drivers.links.smartcard import Card, CardUnavailable, NotTransacted

SHORT, EXTENDED = bytes.fromhex("00B0000004"), bytes.fromhex("00B00000001000")


class Connection:
    """A connection whose commands end with one code."""

    def __init__(self, code: int) -> None:
        self._code = code

    def transmit(self, command: bytes) -> tuple[int, bytes]:
        return self._code, b""

    def max_apdu_data_bytes(self) -> int | None:
        return None


class Slot:
    def presence(self) -> int:
        return 0


@pytest.mark.parametrize(
    ("code", "command", "error"),
    [
        (0x80100016, SHORT, NotTransacted),
        (0x80100016, EXTENDED, NotTransacted),
        (0x80100008, EXTENDED, NotTransacted),
        (0x80100004, EXTENDED, NotTransacted),
        (0x80100008, SHORT, LinkError),
        (0x8010000F, SHORT, CardUnavailable),
        (0x80100069, EXTENDED, CardUnavailable),
        (0, SHORT, CardUnavailable),
        (0x8010001D, SHORT, LinkError),
    ],
)
def test_code_of_a_command(code: int, command: bytes, error: type[Exception]) -> None:
    card = Card(Slot(), Connection(code), lambda direction, chunk: None)  # type: ignore[arg-type]
    with pytest.raises(error) as caught:
        card.transmit(command)
    assert type(caught.value) is error


def test_missing_service_is_named() -> None:
    card = Card(Slot(), Connection(0x8010001D), lambda direction, chunk: None)  # type: ignore[arg-type]
    with pytest.raises(LinkError) as caught:
        card.transmit(SHORT)
    assert caught.value.cause is Cause.NO_RESPONSE
