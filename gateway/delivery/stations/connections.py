"""Connections of one gateway for the commands of all stations at the post's broker."""

import asyncio
from collections.abc import Callable, Iterable

import paho.mqtt.client as mqtt

from gateway.common.problems import Problems
from gateway.contract.topics import DeviceTopic, SiteTopics
from gateway.delivery.mqtt.connect import random_client_id
from gateway.delivery.settings import DestinationSettings
from gateway.delivery.stations.acl_probe import AclProbe
from gateway.delivery.stations.connection import StationConnection
from gateway.delivery.stations.problems import StationProblems

READY_S = 1.0
"""Time limit for the subscriptions, after which states are published without them, in seconds."""


class StationConnections:
    """One connection for each station with a role, and one for all other stations.

    Commands of others are refused in any case; the refusal names the reason. Belongs to the event loop.
    """

    def __init__(
        self,
        settings: DestinationSettings,
        topics: SiteTopics,
        problems: Problems,
        boot_ns: Callable[[], int],
        on_message: Callable[[mqtt.MQTTMessage, int], None],
        on_flood: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._topics = topics
        self._problems = StationProblems(problems, settings.name, f"{topics.root}/{topics.site}")
        self._boot_ns = boot_ns
        self._on_message = on_message
        self._on_flood = on_flood
        self._connections: dict[str | None, StationConnection] = {}
        self._stopping: set[asyncio.Task[None]] = set()
        self._on_all_ready: Callable[[], None] | None = None
        self._ready_timer: asyncio.TimerHandle | None = None

    def configure(self, stations: Iterable[str]) -> None:
        """Connect for these stations and for all others; close connections of stations not among them."""
        wanted: set[str | None] = {None, *stations}
        for station in self._connections.keys() - wanted:
            task = asyncio.create_task(self._connections.pop(station).stop())
            self._stopping.add(task)
            task.add_done_callback(self._stopping.discard)
        for station in sorted(wanted - self._connections.keys(), key=lambda name: name or ""):
            self._connections[station] = connection = self._new_connection(station)
            connection.connection.start()

    def _new_connection(self, station: str | None) -> StationConnection:
        topics = self._topics
        return StationConnection(
            station,
            self._settings,
            random_client_id,
            topics.commands if station is None else topics.commands_of(station),
            AclProbe(topics.acl_probe, self._problems, required=self._settings.requires_acl),
            self._problems,
            self._boot_ns,
            self._on_message if station is not None else self._on_message_of_others,
            self._report_flood if station is not None else self._report_flood_of_others,
            self._on_ready,
        )

    def _report_flood(self, station: str) -> bool:
        self._on_flood(station)
        return True

    def _report_flood_of_others(self, station: str) -> bool:
        """Report a station without a connection of its own; any other floods that as well."""
        return station not in self._connections and self._report_flood(station)

    async def stop(self) -> None:
        """Disconnect."""
        self._end_wait()
        stopping = [connection.stop() for connection in self._connections.values()]
        self._connections.clear()
        await asyncio.gather(*stopping, *self._stopping)

    def is_alive(self, patience_s: float) -> bool:
        """Tell whether every connection was serviced within `patience_s` seconds, or is being made."""
        return all(one.connection.is_alive(patience_s) for one in self._connections.values())

    def when_ready(self, action: Callable[[], None]) -> None:
        """Connect at once, and call `action` when all commands can arrive, or after a second.

        The state of the gateway is published after that: who reads it may send a command at once.
        """
        self._end_wait()
        self._on_all_ready = action
        self._ready_timer = asyncio.get_running_loop().call_later(READY_S, self._call_ready)
        for one in self._connections.values():
            one.expect()
        self._on_ready()

    def _on_ready(self) -> None:
        if all(one.is_ready for one in self._connections.values()):
            self._call_ready()

    def _call_ready(self) -> None:
        action = self._on_all_ready
        self._end_wait()
        if action is not None:
            action()

    def _end_wait(self) -> None:
        self._on_all_ready = None
        if self._ready_timer is not None:
            self._ready_timer.cancel()
            self._ready_timer = None

    def _on_message_of_others(self, message: mqtt.MQTTMessage, sent_after_ns: int) -> None:
        """Pass on a message of a station that has no connection of its own, or not at this moment.

        The broker has accepted its command, so the station waits for an answer. One that arrives on both
        connections is obeyed once: it has one id.
        """
        where = DeviceTopic.parse(message.topic)
        if where is None:
            return
        own = self._connections.get(where.levels[-1]) if where.levels else None
        if own is None or own.is_away:
            self._on_message(message, sent_after_ns)
