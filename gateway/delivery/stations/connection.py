"""Connection that receives the commands of one station.

A broker keeps one queue for each connection. So a station that floods its topics fills the queue of its own
connection, and delays or loses no command of another station.
"""

import asyncio
import re
from collections.abc import Callable

import paho.mqtt.client as mqtt
import structlog

from gateway.contract.commands import NAME
from gateway.contract.topics import DeviceTopic
from gateway.delivery.mqtt.connection import ConnackLimits, MqttConnection
from gateway.delivery.mqtt.inbound import InboundLimits, InboundRefusal, RefusedBecause
from gateway.delivery.mqtt.properties import pack_properties
from gateway.delivery.settings import DestinationSettings
from gateway.delivery.stations.acl_probe import AclProbe
from gateway.delivery.stations.problems import StationProblems

log = structlog.get_logger()

STATION_LIMITS = InboundLimits(packet_bytes=24 * 1024, receive_maximum=8, messages_per_s=200, burst=400)
"""A command has at most 16 KiB, with a short topic and short properties. A program that waits for each answer
sends up to 400 commands a second; no person needs more than a few. A larger message is the station's fault:
it ends the connection, and names the station."""
OTHERS_LIMITS = InboundLimits(packet_bytes=24 * 1024, receive_maximum=8, messages_per_s=50, burst=100)
"""Limits of all stations together that have no connection of their own, and may command nothing."""
FLOOD_OVER_S = 5.0
"""Time without a new excess after which a flood is over, in seconds."""
FAILURES_BEFORE_PROBLEM = 3
MAX_FLOODING = 8
"""Upper bound on stations that one connection reports: without an access list, any name can be used."""


class StationConnection:
    """Connection for the commands of one station, or of all without one of their own."""

    def __init__(
        self,
        station: str | None,
        settings: DestinationSettings,
        client_id: Callable[[], str],
        topic_filter: str,
        probe: AclProbe,
        problems: StationProblems,
        boot_ns: Callable[[], int],
        on_message: Callable[[mqtt.MQTTMessage, int], None],
        on_flood: Callable[[str], bool],
        on_ready: Callable[[], None],
    ) -> None:
        """`station` None: all others.

        `on_flood` gets the name of the station that sends too much; returns whether to report it here.
        """
        self.station = station
        self.is_ready = False
        """True once the broker has answered the subscription, or refuses the connection for now."""
        self.is_subscribed = False
        """True while the broker passes the station's commands to this connection."""
        self._probe = probe
        self._problems = problems
        self._on_message = on_message
        self._on_flood = on_flood
        self._on_ready = on_ready
        self._failures = 0
        self._flooding: set[str] = set()
        self._flood_timer: asyncio.TimerHandle | None = None
        self.connection = MqttConnection(
            settings.broker,
            client_id,
            None,
            self,
            (settings.retry_first_s, settings.retry_max_s),
            boot_ns,
            (topic_filter,),
            limits=OTHERS_LIMITS if station is None else STATION_LIMITS,
            pings=True,
        )

    async def stop(self) -> None:
        """Disconnect."""
        if self._flood_timer is not None:
            self._flood_timer.cancel()
        for station in self._flooding:
            self._problems.flood_over(station)
        self._problems.connected(self._subject)
        await self.connection.stop()

    @property
    def is_away(self) -> bool:
        """True while commands cannot arrive here, unless that is so because the station floods."""
        return not self.is_subscribed and not self._flooding

    def expect(self) -> None:
        """Connect now, because the broker is back; what failed before says nothing of readiness."""
        if self.is_away:
            self.is_ready = False
        if not self.is_ready:
            self.connection.hurry()

    @property
    def _subject(self) -> str:
        return self.station or "other stations"

    # Callbacks of the connection

    def on_connected(self, _limits: ConnackLimits) -> None:
        """Probe the broker's access control list, where commands depend on it."""
        self._failures = 0
        self._problems.connected(self._subject)
        if self._probe.on_connected():
            self.connection.publish(self._probe.topic, b"", pack_properties("application/json", 1))
            self.connection.flush()

    def on_disconnected(self, _reason: int | None) -> None:
        """Wait for the subscription of the next connection."""
        self.is_subscribed = False
        self.is_ready = bool(self._flooding)

    def on_connect_failed(self, reason: str) -> None:
        """Report a connection that fails again and again."""
        self._failures += 1
        if self._failures >= FAILURES_BEFORE_PROBLEM:
            self._problems.connect_failed(self._subject, reason)
        self._set_ready()

    def on_acks(self, acks: list[tuple[int, int]]) -> None:
        """Take the answer to the probe, the only message sent here."""
        for _, reason in acks:
            self._probe.on_answer(reason)

    def on_message(self, message: mqtt.MQTTMessage, sent_after_ns: int) -> None:
        """Pass on a message from a broker that enforces an access control list."""
        if self._probe.accepts_commands:
            self._on_message(message, sent_after_ns)

    def on_subscribed(self, refused: int | None) -> None:
        """Report a refused subscription: no command will arrive."""
        self.is_subscribed = refused is None
        self._problems.subscription_result(refused)
        self._set_ready()

    def on_inbound_refused(self, refused: InboundRefusal) -> None:
        """Name the station that sends more than it may; the connection is closed, and made again soon."""
        sender = self.station or _sender(refused.topic)
        if refused.because is RefusedBecause.WRONG_QOS:
            self._problems.broker_exceeds(refused)
            return
        if not self._on_flood(sender):
            return
        if sender not in self._flooding and len(self._flooding) < MAX_FLOODING:
            log.warning("station_flooding", station=sender)
            self._flooding.add(sender)
            self._problems.flood(sender)
        if self._flood_timer is not None:
            self._flood_timer.cancel()
        self._flood_timer = asyncio.get_running_loop().call_later(FLOOD_OVER_S, self._on_flood_over)

    def _on_flood_over(self) -> None:
        for station in self._flooding:
            log.info("station_flood_over", station=station)
            self._problems.flood_over(station)
        self._flooding.clear()

    def _set_ready(self) -> None:
        if not self.is_ready:
            self.is_ready = True
            self._on_ready()


def _sender(topic: str) -> str:
    """Return the station in a command's topic."""
    match DeviceTopic.parse(topic):
        case DeviceTopic(kind="cmd", levels=(_, station)) if re.fullmatch(NAME, station):
            return station
    return "unknown"
