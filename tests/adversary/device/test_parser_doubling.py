"""Parsers of bytes from outside: twice the bytes cost at most 2.3 times the processor time.

A parser is fed hostile streams of n and 2n bytes: whole, in the chunks in which links read, and byte by byte.

Parsers of whole inputs are the targets of the fuzzer: their seeds and words are repeated.
"""

import time
import warnings
from collections.abc import Callable, Iterator

import pytest
import structlog
from adversary.device.doubling import MEASURABLE_S, check_doubling
from adversary.device.parser_table import PARSERS, Feed, all_streams, repeat
from fuzz.target import Target, families, held, targets_of

CHUNKS = {"whole": 1 << 30, "chunks": 4096, "bytes": 1}


def fed(make: Callable[[], Feed], chunk_bytes: int) -> Callable[[bytes], None]:
    """Return a function that feeds a new parser in chunks."""

    def parse(stream: bytes) -> None:
        feed = make()
        for at in range(0, len(stream), chunk_bytes):
            feed(stream[at : at + chunk_bytes])

    return parse


def test_slow_first_call_is_no_finding() -> None:
    """The first call may load modules, and less than a whole document is rejected at once: neither counts."""
    calls = 0

    def parse(stream: bytes) -> None:
        nonlocal calls
        calls += 1
        until_s = time.process_time() + (
            2 * MEASURABLE_S if calls == 1 else 1e-4 if len(stream) < 512 else 0.001
        )
        while time.process_time() < until_s:
            pass

    check_doubling(parse, bytes)


@pytest.mark.parametrize("name", PARSERS)
def test_worst_stream_costs_double(name: str) -> None:
    parser = PARSERS[name]
    shape, stream = next(iter(parser.streams.items()))
    for chunk_bytes in CHUNKS.values():
        check_doubling(fed(parser.make, chunk_bytes), stream, 1 << 14, parser.shortest_bytes(shape))


@pytest.mark.thorough
@pytest.mark.parametrize("how", CHUNKS)
@pytest.mark.parametrize(("name", "shape"), [(name, shape) for name, _, shape, _ in all_streams()])
def test_stream_costs_double(name: str, shape: str, how: str) -> None:
    parser = PARSERS[name]
    parse = fed(parser.make, CHUNKS[how])
    check_doubling(parse, parser.streams[shape], min_bytes=parser.shortest_bytes(shape))


SLOW = {"files.outbox", "files.configuration", "links.usbip", "console.bodies", "console.queries"}
"""Targets that start threads, or open an outbox: each attempt costs more than the parsing of any bytes."""
MAX_UNIT_BYTES = 400


@pytest.fixture
def quiet() -> Iterator[None]:
    """Silence the log, and the warnings of libraries about malformed files."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    structlog.configure(**before)
    held.close()


def units(target: Target) -> Iterator[tuple[bytes, bytes]]:
    """Yield beginnings, and what is repeated after them."""
    for seed in target.seeds[:4]:
        yield b"", seed[:MAX_UNIT_BYTES]
    for word in target.words[:16]:
        yield b"", word
        if target.seeds:
            yield target.seeds[0][:MAX_UNIT_BYTES], word
    for byte in b"\0\r\n <A0[{\xff":
        yield (target.seeds[0][:64] if target.seeds else b""), bytes([byte])


@pytest.mark.thorough
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("family", families())
def test_fuzz_targets_cost_double(family: str) -> None:
    worst = []
    for target in targets_of(family):
        for head, unit in units(target) if target.name not in SLOW else ():
            if not unit:
                continue
            try:
                check_doubling(target.run, repeat(unit, head), 1 << 13)
            except AssertionError as error:
                worst.append(f"{target.name} {head[:20]!r} {unit[:20]!r}: {error}")
    assert not worst, "\n".join(worst)
