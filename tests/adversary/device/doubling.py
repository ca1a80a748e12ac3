"""Time of a parser for n and for 2n bytes.

n is the smallest power of two that takes MEASURABLE_S, so that a quadratic parser fails quickly. Processor
time is measured, and the shortest of all rounds counts for n and for 2n.
"""

import time
from collections.abc import Callable

MEASURABLE_S = 0.004
MAX_RATIO = 2.3
ROUNDS = 96
"""Most rounds: on a busy machine others empty the caches in nearly every round, for a second or two."""
MIN_BYTES, MAX_BYTES = 256, 1 << 17


def cpu_s(parse: Callable[[bytes], None], stream: bytes, times: int = 3) -> float:
    best = float("inf")
    for _ in range(times):
        began = time.process_time()
        parse(stream)
        best = min(best, time.process_time() - began)
    return best


def check_doubling(
    parse: Callable[[bytes], None],
    stream: Callable[[int], bytes],
    max_bytes: int = MAX_BYTES,
    min_bytes: int = MIN_BYTES,
) -> None:
    """Compare the times of n and 2n bytes; n is from `min_bytes` to `max_bytes`."""
    size = min_bytes
    # The first call may load what later ones share, or be slow on a busy machine.
    while (once := cpu_s(parse, stream(size), 2)) < MEASURABLE_S and size < max_bytes:
        size *= 2
    if once < MEASURABLE_S:
        return  # nothing is quadratic here
    short_s = long_s = float("inf")
    for _ in range(ROUNDS):
        long_s = min(long_s, cpu_s(parse, stream(2 * size)))
        short_s = min(short_s, cpu_s(parse, stream(size)))
        if long_s <= MAX_RATIO * short_s:
            return
    raise AssertionError(
        f"{size} bytes take {short_s:.4f} s; twice as many take {long_s / short_s:.2f} times as long"
    )
