"""Tokens of a gateway: their life by the boot clock, and the timer that publishes them."""

from support.gateway.deliveries import FakeTime
from support.gateway.sending import in_virtual_time, turn

from gateway.commands.fresh_tokens import RETRY_S, FreshTokens, TokenPublisher
from gateway.contract.commands import TOKEN_INTERVAL_S, TOKEN_LIFE_S


def test_token_lives_to_the_nanosecond() -> None:
    time = FakeTime()
    tokens = FreshTokens(time)
    token = tokens.issue()
    end_ns = time.boot + TOKEN_LIFE_S * 10**9
    assert tokens.end_ns(token) == end_ns
    time.boot = end_ns - 1
    assert tokens.end_ns(token) == end_ns
    time.boot = end_ns
    assert tokens.end_ns(token) is None
    assert len(token) == 16


def test_unknown_token_has_no_life() -> None:
    tokens = FreshTokens(FakeTime())
    tokens.issue()
    for unknown in (None, "", "x"):
        assert tokens.end_ns(unknown) is None


def test_old_tokens_are_forgotten() -> None:
    time = FakeTime()
    tokens = FreshTokens(time)
    issued = []
    for _ in range(5):
        issued.append(tokens.issue())
        time.advance(TOKEN_INTERVAL_S)
    assert list(tokens._issued_ns) == issued[-3:]
    assert len(set(issued)) == 5
    time.advance(60)
    last = tokens.issue()
    assert list(tokens._issued_ns) == [last]


@in_virtual_time
async def test_tokens_are_published_in_turn() -> None:
    published: list[str] = []
    is_connected = True

    def publish(token: str) -> bool:
        published.append(token)
        return is_connected

    publisher = TokenPublisher(FreshTokens(FakeTime()), publish)
    publisher.start()
    assert len(published) == 1
    await turn(TOKEN_INTERVAL_S - 0.01)
    assert len(published) == 1
    await turn(0.02)
    assert len(set(published)) == 2

    is_connected = False
    publisher.start()
    await turn(RETRY_S + 0.01)
    assert len(published) == 4
    is_connected = True
    await turn(RETRY_S)
    assert len(published) == 5
    await turn(TOKEN_INTERVAL_S - RETRY_S)
    assert len(published) == 5, "one timer at a time"
    publisher.stop()
    publisher.stop()
    await turn(10)
    assert len(published) == 5
