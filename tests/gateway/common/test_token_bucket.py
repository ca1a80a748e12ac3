"""The token bucket: rate, capacity, and clocks that do not run forward."""

import pytest

from gateway.common.token_bucket import TokenBucket


def test_full_bucket_allows_burst_of_its_capacity() -> None:
    bucket = TokenBucket.full(per_s=1, capacity=3, now_s=100.0)
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]
    assert bucket.wait_s == 1.0
    assert not bucket.take(100.5)
    assert bucket.take(101.0)


def test_new_bucket_is_empty() -> None:
    bucket = TokenBucket(per_s=10)
    assert not bucket.take(0.0)
    assert bucket.take(0.1)


@pytest.mark.parametrize(("per_s", "burst"), [(1, 1), (20, 1), (100, 5)])
def test_default_capacity_is_twentieth_of_second(per_s: float, burst: int) -> None:
    bucket = TokenBucket(per_s)
    assert sum(bucket.take(3600.0) for _ in range(100)) == burst


def test_asking_takes_no_token() -> None:
    bucket = TokenBucket.full(per_s=1, capacity=1, now_s=0.0)
    assert all(bucket.has_tokens(0.0) for _ in range(3))
    assert bucket.take(0.0)
    assert not bucket.has_tokens(0.0)


def test_reset_discards_elapsed_time() -> None:
    bucket = TokenBucket(per_s=1, capacity=5)
    bucket.reset(60.0)
    assert not bucket.take(60.5)
    assert bucket.take(61.0)


def test_clock_set_back_takes_no_tokens_away() -> None:
    bucket = TokenBucket.full(per_s=1, capacity=2, now_s=10.0)
    assert bucket.take(5.0)
    assert bucket.take(5.0)
    assert not bucket.take(5.0)


def test_many_tokens_are_taken_at_once() -> None:
    bucket = TokenBucket.full(10.0, 100.0, now_s=0.0)
    assert bucket.take(0.0, 80.0)
    assert not bucket.take(0.0, 21.0), "only 20 are left, and none is taken"
    assert bucket.take(0.0, 20.0)
    assert bucket.take(1.0, 10.0)
