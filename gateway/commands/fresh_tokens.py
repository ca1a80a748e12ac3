"""Tokens that prove the age of a signed command, without a clock that gateway and station share.

The gateway publishes a random token every two seconds; a command names the newest. A broker that delays
tokens or commands causes refusals only.
"""

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable

from gateway.common.clock import TimeSource
from gateway.contract.commands import TOKEN_INTERVAL_S, TOKEN_LIFE_S

RETRY_S = 0.2
"""Time until the next attempt while there is no connection, in seconds."""


class FreshTokens:
    """Tokens of the last six seconds, by the boot clock."""

    def __init__(self, time_source: TimeSource) -> None:
        self._time = time_source
        self._issued_ns: OrderedDict[str, int] = OrderedDict()

    def issue(self) -> str:
        """Make a token, and forget those whose life has ended."""
        now_ns = self._time.boot_ns()
        while self._issued_ns and next(iter(self._issued_ns.values())) + TOKEN_LIFE_S * 10**9 <= now_ns:
            self._issued_ns.popitem(last=False)
        token = secrets.token_urlsafe(12)
        self._issued_ns[token] = now_ns
        return token

    def end_ns(self, token: str | None) -> int | None:
        """Return the end of a token's life on the boot clock; None for an old or an unknown one."""
        issued_ns = self._issued_ns.get(token or "")
        if issued_ns is None:
            return None
        end_ns = issued_ns + TOKEN_LIFE_S * 10**9
        return end_ns if self._time.boot_ns() < end_ns else None


class TokenPublisher:
    """Timer that issues tokens and publishes them. Belongs to the event loop."""

    def __init__(self, tokens: FreshTokens, publish: Callable[[str], bool]) -> None:
        """`publish`: publish a token; False while there is no connection."""
        self._tokens = tokens
        self._publish = publish
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Publish a token now, and every two seconds."""
        self.stop()
        is_published = self._publish(self._tokens.issue())
        wait_s = TOKEN_INTERVAL_S if is_published else RETRY_S
        self._timer = asyncio.get_running_loop().call_later(wait_s, self.start)

    def stop(self) -> None:
        """Publish no more tokens."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
