"""Retained messages of one destination: when they are sent, and what the broker's answers mean.

The messages are states, descriptions and last values, and the birth of the gateway: its own state.
"""

from collections.abc import Callable

import structlog

from gateway.contract.states import CONNECTION_PROPERTY
from gateway.delivery.destination.problems import DestinationProblems
from gateway.delivery.destination.retained import RetainedMessages
from gateway.delivery.destination.timers import TimerGroup
from gateway.delivery.mqtt.connect import Will
from gateway.delivery.mqtt.properties import pack_properties
from gateway.delivery.mqtt.reason_codes import NOT_AUTHORISED, POISON_CODES
from gateway.delivery.settings import DestinationSettings
from gateway.delivery.stations.connections import StationConnections

log = structlog.get_logger()

REFUSED_RETRY_S = 1.0
"""Wait before a state is sent again that the broker refused for a passing reason, in seconds."""


class StatePublisher:
    """Retained messages of one destination. The destination sends the next one whenever one is due."""

    def __init__(
        self,
        settings: DestinationSettings,
        gateway_state: str,
        will: Will,
        retained: RetainedMessages,
        problems: DestinationProblems,
        timers: TimerGroup,
        send_ready: Callable[[], None],
        halt: Callable[[], None],
        stations: StationConnections | None,
    ) -> None:
        """`gateway_state`: topic of the birth. `halt` is called if the gateway may not publish its birth."""
        self.due = retained.due.get(settings.name, {}) if settings.publishes_states else {}
        """Topics to be sent; always empty where no states are published."""
        self.are_held = False
        """True until commands can arrive: a station that reads a state may send one at once."""
        self._settings = settings
        self._name = settings.name
        self._gateway_state = gateway_state
        self._will = will
        self._retained = retained
        self._problems = problems
        self._timers = timers
        self._send_ready = send_ready
        self._halt = halt
        self._stations = stations
        self._refused_topics: set[str] = set()
        """Topics that the gateway is not authorised to publish."""

    def on_connected(self) -> None:
        """Make all messages due, on a new connection."""
        self._retained.mark_all_due(self._name)
        self.are_held = self._stations is not None
        if self._stations is not None:
            self._stations.when_ready(self._release)
            return
        # The broker may publish the will of the lost connection after this birth.
        keepalive_s = 1.5 * self._settings.broker.keepalive_s
        for delay_s in (0.0, keepalive_s):
            self._timers.call_later(self._will.delay_s + delay_s + 1, self._send_birth)

    def _release(self) -> None:
        self.are_held = False
        self._send_ready()

    def _send_birth(self) -> None:
        self._retained.retry(self._name, self._gateway_state, delayed=False)
        self._send_ready()

    def on_message(self, topic: str, payload: bytes) -> None:
        """Publish the birth again after the will of an earlier connection, which came late."""
        if topic == self._gateway_state and payload == self._will.payload:
            self._send_birth()

    def pop_due(self, connection: str) -> tuple[str, bytes, bytes, int]:
        """Remove the next message that is due; return topic, payload, properties and version.

        `connection`: name of the present connection, which the birth states.
        """
        topic, payload, media_type, version = self._retained.pop_due(self._name)
        user = self._retained.user_properties(topic)
        if topic == self._gateway_state:
            user = (*user, (CONNECTION_PROPERTY, connection))
        return (
            topic,
            payload,
            pack_properties(media_type, None, user=user) if payload or user else b"",
            version,
        )

    def on_ack(self, topic: str, version: int, reason: int) -> None:
        """Take the broker's answer to a message."""
        if reason < 0x80:
            self._retained.on_ack(self._name, topic, version)
            if topic in self._refused_topics:
                self._refused_topics.discard(topic)
                if not self._refused_topics:
                    self._problems.states_accepted()
        elif reason == NOT_AUTHORISED:
            self._retained.retry(self._name, topic, delayed=True)
            # An earlier name of this post may have left a topic that this name may not write; clearing it is
            # no problem of this post. A device that the access list does not name must not stop the others.
            if topic == self._gateway_state:
                self._halt()
            elif not self._retained.is_cleared(topic):
                self._refused_topics.add(topic)
                self._problems.state_refused(topic, reason)
            self._timers.call_later(self._settings.halt_retry_s, self._resend_refused)
        elif reason in POISON_CODES:
            self.drop(topic, reason)
        else:
            self._retained.retry(self._name, topic, delayed=True)
            self._timers.call_later(REFUSED_RETRY_S, self._resend_refused)

    def _resend_refused(self) -> None:
        self._retained.mark_delayed_due(self._name)
        self._send_ready()

    def drop(self, topic: str, reason: int) -> None:
        """Give up a message that the broker cannot take, until the next one of its topic."""
        log.error("state_refused", destination=self._name, topic=topic, reason=reason)
        self._problems.state_refused(topic, reason)
