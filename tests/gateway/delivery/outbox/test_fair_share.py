"""Fair shares: what must be given up, and by which owner."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.outbox.fair_share import surpluses


def test_largest_gives_first() -> None:
    assert surpluses({"a": 10, "b": 3, "c": 2}, 4) == {"a": 4}
    assert surpluses({"a": 10, "b": 8, "c": 2}, 4) == {"a": 3, "b": 1}
    assert surpluses({"a": 10}, 0) == {}


@given(st.dictionaries(st.integers(0, 20), st.integers(0, 1000), min_size=1), st.integers(0, 25_000))
def test_surpluses_leave_one_level(used: dict[int, int], needed: int) -> None:
    given_up = surpluses(used, needed)
    freed = sum(given_up.values())
    assert freed >= min(needed, sum(used.values()))
    assert freed < needed + len(used), "no more than rounding needs"
    left = {owner: size - given_up.get(owner, 0) for owner, size in used.items()}
    level = max((left[owner] for owner in given_up), default=0)
    assert all(left[owner] == level for owner in given_up)
    assert not given_up or max(left.values()) == level
