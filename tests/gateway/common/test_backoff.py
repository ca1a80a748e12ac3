"""Waits grow within their bounds, differ from one another, and start again after success."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.common.backoff import Backoff


@given(st.floats(0.01, 10), st.floats(1, 20), st.integers(1, 60))
def test_waits_stay_within_their_bounds(first_s: float, factor: float, attempts: int) -> None:
    backoff = Backoff(first_s, first_s * factor)
    waits = [backoff.next_s() for _ in range(attempts)]
    assert all(first_s / 2 <= wait <= first_s * factor for wait in waits)
    assert waits[0] <= first_s
    backoff.reset()
    assert backoff.next_s() <= first_s


def test_two_gateways_wait_differently() -> None:
    one, other = Backoff(0.5, 30), Backoff(0.5, 30)
    assert [one.next_s() for _ in range(8)] != [other.next_s() for _ in range(8)]
