"""View of a site at a workstation: its retained messages and tokens, verified where keys are given.

Without keys every message is taken as the broker delivers it, and nothing counts as verified.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

import paho.mqtt.client as mqtt

from gateway.client.decoder import Decoder
from gateway.client.freshness import SILENCE_S, Freshness
from gateway.client.models import DeviceStatus
from gateway.client.site_state import SiteState
from gateway.contract.states import CONNECTION_PROPERTY, FreshToken, GatewayState
from gateway.contract.topics import GATEWAY_LANE, DeviceTopic, Position

if TYPE_CHECKING:
    from gateway.client.verification import StatementCheck

DOUBT_S = 3.0
"""Time on its way up to which a token counts as received now, in seconds: the usual uncertainty of it."""
RETAINED_KINDS = ("state", "desc", "claim", "now")


class SiteView:
    """Site state that takes only what passes the check, and ends what is no longer current."""

    def __init__(
        self,
        on_status_changed: Callable[[DeviceStatus], None],
        decoder: Decoder,
        freshness: Freshness,
        check: "StatementCheck | None",
    ) -> None:
        """`check`: check of signatures; None: nothing is verified."""
        self._freshness = freshness
        self._check = check
        self._silence_timer: asyncio.TimerHandle | None = None
        self._first_seen_s: dict[str, float] = {}
        """Time at which each session was first named by a device's state."""
        is_current = None if check is None else self._is_current
        self.state = SiteState(
            on_status_changed, decoder, self._is_alive, self._age_s, is_current, self._is_awaited
        )

    @property
    def is_verified(self) -> bool:
        """True if signatures are checked."""
        return self._check is not None

    def stop(self) -> None:
        """Stop to watch for silence."""
        if self._silence_timer is not None:
            self._silence_timer.cancel()

    def on_disconnected(self) -> None:
        """Drop what would not be retracted again."""
        self.state.on_disconnected()
        self._freshness.on_disconnected()

    def token(self, session: str) -> str | None:
        """Return the newest token of a gateway session, if its life has not ended."""
        return self._freshness.token(session, asyncio.get_running_loop().time())

    def accepts(self, where: DeviceTopic, message: mqtt.MQTTMessage) -> bool:
        """Tell whether a message below a device may be used; events and images have a check of their own."""
        if self._check is None:
            return True
        body, user = bytes(message.payload), _user_properties(message)
        if where.kind in RETAINED_KINDS:
            return self._check.accepts_retained(message.topic, where.position, body, user)
        if where.kind == "preview":
            now_s = asyncio.get_running_loop().time()
            return self._check.accepts_picture(message.topic, where.position, body, user, now_s)
        if where.kind == "rsp":
            return self._check.key_of(message.topic, where.position, body, user) is not None
        return True

    def on_gateway(self, gateway: str, message: mqtt.MQTTMessage) -> bool:
        """Take a birth or a death; returns False for one that changes nothing. Raises ValidationError.

        A death is taken unsigned: it may be the last will, which the broker publishes, and it shows nothing.
        The next token of the session ends an invented one.
        """
        body = bytes(message.payload)
        state = GatewayState.model_validate_json(body, extra="ignore") if body else None
        if self._check is not None and (state is None or state.online):
            where, user = Position(GATEWAY_LANE, gateway), _user_properties(message)
            if not self._check.accepts_retained(message.topic, where, body, user):
                return False
            if state is not None and self.state.is_superseded(gateway, state.session):
                return False  # a birth of an earlier session, shown again
        connection = dict(_user_properties(message)).get(CONNECTION_PROPERTY)
        return self.state.on_gateway(gateway, body, connection)

    def on_token(self, gateway: str, message: mqtt.MQTTMessage, sent_after_s: float) -> None:
        """Take a token, and the time before which the broker had not sent it; raises ValidationError."""
        body, key = bytes(message.payload), None
        if not body:
            return
        if self._check is not None:
            where = Position(GATEWAY_LANE, gateway)
            key = self._check.key_of(message.topic, where, body, _user_properties(message))
            if key is None:
                return
        token = FreshToken.model_validate_json(body, extra="ignore")
        # One that waited on its way counts from then.
        received_s = min(asyncio.get_running_loop().time(), sent_after_s + DOUBT_S)
        lasts_s = getattr(message.properties, "MessageExpiryInterval", None)
        if not self._freshness.on_token(token, lasts_s, received_s, key):
            return
        if self._check is not None and not message.retain:  # a retained one may be older than the death
            self.state.revive(gateway, token.session)
        self.state.report_all()
        self._watch_silence()

    def _watch_silence(self) -> None:
        """Report what is no longer current, once nothing has come for SILENCE_S."""
        self.stop()
        loop = asyncio.get_running_loop()
        self._silence_timer = loop.call_later(SILENCE_S + 0.1, self.state.report_all)

    def _is_awaited(self, session: str) -> bool:
        """Tell whether a session may still prove that it is alive: it has the time of a token for it."""
        now_s = asyncio.get_running_loop().time()
        if session not in self._first_seen_s:
            self._first_seen_s[session] = now_s
            self._watch_silence()
        return now_s - self._first_seen_s[session] < SILENCE_S

    def _is_alive(self, session: str) -> bool:
        return self._freshness.is_alive(session, asyncio.get_running_loop().time())

    def _age_s(self, session: str) -> float | None:
        return self._freshness.age_s(session, asyncio.get_running_loop().time())

    def _is_current(self, name: str) -> bool:
        return self._freshness.is_current(name, asyncio.get_running_loop().time())


def _user_properties(message: mqtt.MQTTMessage) -> tuple[tuple[str, str], ...]:
    return tuple(getattr(message.properties, "UserProperty", ()))
