"""Tokens of gateways, which signed commands name; and what they say of retained messages.

With the public keys of the gateways, a retained message is used only as long as it is signed, and the newest
token, at most six seconds old, names no newer one of its topic. So a broker can hide a message, but show an
old one as the newest for no longer than that.

Without keys a token is the sign of life of its gateway: a pulled cable, a gateway that hangs, and a broker
that was restarted beside a dead gateway would otherwise show the last state for ever.
"""

import math
from dataclasses import dataclass, field

from gateway.contract.commands import TOKEN_LIFE_S
from gateway.contract.states import FreshToken, Revision

SILENCE_S = float(TOKEN_LIFE_S)
"""Time without a token after which nothing of that gateway is current, in seconds."""


@dataclass(slots=True)
class _Session:
    """Newest token of a session."""

    token: str
    token_ends_s: float
    number: int
    received_s: float
    numbers: dict[str, int]
    key: str | None


@dataclass
class Freshness:
    """Tokens by session, and the retained messages in use, by topic without root and site.

    Times are seconds of the event loop's clock.
    """

    _sessions: dict[str, _Session] = field(default_factory=dict)
    _held: dict[str, Revision] = field(default_factory=dict)
    """Revision in use, by topic."""

    def on_token(self, message: FreshToken, lasts_s: float | None, now_s: float, key: str | None) -> bool:
        """Take a token with its remaining life and the key that signed it; False if it is no newer one."""
        known = self._sessions.get(message.session)
        if known is not None and (message.number <= known.number or key != known.key):
            return False
        ends_s = now_s + min(lasts_s if lasts_s is not None else TOKEN_LIFE_S, TOKEN_LIFE_S)
        self._sessions[message.session] = _Session(
            message.token, ends_s, message.number, now_s, dict(message.numbers), key
        )
        return True

    def token(self, session: str, now_s: float) -> str | None:
        """Return the newest token of a session, if its life has not ended."""
        known = self._sessions.get(session)
        return known.token if known is not None and now_s < known.token_ends_s else None

    def hold(self, name: str, held: Revision) -> bool:
        """Use a retained message; False if a newer one of its session is in use."""
        before = self._held.get(name)
        if before is not None and before.session == held.session and held.number < before.number:
            return False
        self._held[name] = held
        return True

    def is_current(self, name: str, now_s: float) -> bool:
        """Tell whether the message in use for a topic is known to be the newest."""
        held = self._held.get(name)
        known = self._sessions.get(held.session) if held is not None else None
        if held is None or known is None or now_s - known.received_s > SILENCE_S or held.key != known.key:
            return False
        newest = known.numbers.get(name)
        return newest is not None and held.number >= newest

    def age_s(self, session: str, now_s: float) -> float | None:
        """Return the time since the last token of a session, in seconds; None if none is known."""
        known = self._sessions.get(session)
        return None if known is None or math.isinf(known.received_s) else now_s - known.received_s

    def is_alive(self, session: str, now_s: float) -> bool:
        """Tell whether a gateway session has published a token within SILENCE_S."""
        known = self._sessions.get(session)
        return known is not None and now_s - known.received_s <= SILENCE_S

    def living_key(self, session: str, now_s: float) -> str | None:
        """Return the key that signs the tokens of a session, if the last one is not older than SILENCE_S."""
        return self._sessions[session].key if self.is_alive(session, now_s) else None

    def on_disconnected(self) -> None:
        """End all tokens: those of the time without a connection were missed. Their numbers stay used."""
        for known in self._sessions.values():
            known.token_ends_s = known.received_s = -math.inf
