"""Replay of one recorded exchange with a chip, and of its random numbers."""

from collections.abc import Callable, Generator, Iterable


def replayed(exchange: Iterable[tuple[str, str]]) -> Callable[[bytes], bytes]:
    """Answer as recorded; every byte of every command must match."""
    pairs = iter(list(exchange))

    def transmit(command: bytes) -> bytes:
        expected, answer = next(pairs)
        assert command.hex().upper() == expected
        return bytes.fromhex(answer)

    return transmit


def drawn(numbers: Iterable[str]) -> Callable[[int], bytes]:
    """Return the numbers of a worked example; their length must match."""
    pending = iter([bytes.fromhex(number) for number in numbers])

    def random(size: int) -> bytes:
        number = next(pending)
        assert len(number) == size
        return number

    return random


def whole_file(reading: Generator[object, None, bytes]) -> bytes:
    """Run a read of a file to its end."""
    while True:
        try:
            next(reading)
        except StopIteration as end:
            return bytes(end.value)
