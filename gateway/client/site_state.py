"""Retained messages of a site: gateway states; state, description, claim and last values of its devices."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from gateway.client.decoder import Decoder
from gateway.client.models import DeviceStatus, LastValue
from gateway.contract.commands import DeviceClaim
from gateway.contract.last_values import LastValueMessage
from gateway.contract.states import DeviceDescription, DeviceState, GatewayState
from gateway.contract.topics import Position, to_level


class SiteState:
    """Newest retained message of each kind. Every method that takes a payload raises ValidationError."""

    def __init__(
        self,
        on_status_changed: Callable[[DeviceStatus], None],
        decoder: Decoder,
        is_alive: Callable[[str], bool],
        age_s: Callable[[str], float | None],
        is_current: Callable[[str], bool] | None = None,
        is_awaited: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """Create an empty state.

        `is_alive`: returns True for a session that gives signs of life. `age_s`: returns the time since the
        last one, in seconds, None if there was none. `is_current`: returns True if the message of a topic is
        signed and the newest; None: not verified. `is_awaited`: returns True while a session that has given
        no sign of life yet may still do so.
        """
        self._decoder = decoder
        self._is_alive = is_alive
        self._age_s = age_s
        self._is_current = is_current
        self._is_awaited = is_awaited
        self.gateways: dict[str, GatewayState] = {}
        self._on_status_changed = on_status_changed
        self._sessions: dict[str, bool] = {}
        """Sessions of gateways, and whether each is alive."""
        self._connections: dict[str, str | None] = {}
        """Connection of each gateway's last birth."""
        self._states: dict[Position, DeviceState] = {}
        self._descriptions: dict[Position, DeviceDescription] = {}
        self._last_values: dict[tuple[Position, str], LastValue] = {}
        self._claims: dict[Position, DeviceClaim] = {}
        self._reported_status: dict[Position, DeviceStatus] = {}

    @property
    def devices(self) -> list[Position]:
        """Positions of all devices with a state or a description."""
        return sorted(self._states.keys() | self._descriptions.keys(), key=str)

    def has_state(self, position: Position) -> bool:
        """Tell whether a device has published a state."""
        return position in self._states

    def status(self, position: Position) -> DeviceStatus:
        """Return the status of the device at a position."""
        state = self._states.get(position)
        claim = self._claims.get(position)
        is_online = state is not None and self._is_usable(state.session, f"{position}/state")
        has_claim = claim is not None and self._is_usable(claim.session, f"{position}/claim")
        return DeviceStatus(
            position,
            state,
            self._descriptions.get(position),
            gateway_online=is_online,
            claim=claim if has_claim else None,
            is_verified=is_online and self._is_current is not None,
            age_s=None if state is None else self._age_s(state.session),
        )

    def last_value(self, position: Position, event_type: str) -> LastValue | None:
        """Return the last value of an event type; None when there is none of a living session."""
        found = self._last_values.get((position, event_type))
        name = f"{position}/now/{to_level(event_type)}"
        if found is None or not self._is_usable(found.message.session, name):
            return None
        age_s = self._age_s(found.message.session)
        return replace(found, is_verified=self._is_current is not None, age_s=age_s)

    def ended_sessions(self) -> Iterator[str]:
        """Yield every session that is known to be over."""
        return (session for session, alive in self._sessions.items() if not alive)

    def on_disconnected(self) -> None:
        """Drop what would not be retracted again: last values and claims."""
        self._last_values.clear()
        self._claims.clear()

    def on_gateway(self, gateway: str, payload: bytes, connection: str | None = None) -> bool:
        """Take a birth or a death of a gateway; returns False for one that changes nothing.

        A death of another session than the living one is outdated and changes nothing; so is one of another
        connection than that of the last birth (`CONNECTION_PROPERTY`).
        """
        if not payload:
            self.gateways.pop(gateway, None)
            return False
        state = GatewayState.model_validate_json(payload, extra="ignore")
        before = self.gateways.get(gateway)
        if state.online:
            self._connections[gateway] = connection
        elif (
            before is not None
            and before.session == state.session
            and connection is not None
            and self._connections.get(gateway, connection) != connection
        ):
            return False
        if state.online and before is not None and before.session != state.session:
            self._sessions[before.session] = False
        self._sessions[state.session] = state.online
        is_current = state.online or before is None or before.session == state.session
        if is_current:
            self.gateways[gateway] = state
        affected = {state.session} if before is None else {state.session, before.session}
        for position, device in self._states.items():
            if device.session in affected:
                self._report_status(position)
        return is_current

    def on_device_state(self, position: Position, payload: bytes) -> None:
        """Take a device's state; an empty payload retracts it."""
        if payload:
            self._states[position] = DeviceState.model_validate_json(payload, extra="ignore")
        else:
            self._states.pop(position, None)
        self._report_status(position)

    def on_description(self, position: Position, payload: bytes) -> None:
        """Take a device's description; an empty payload retracts it."""
        if payload:
            self._descriptions[position] = DeviceDescription.model_validate_json(payload, extra="ignore")
        else:
            self._descriptions.pop(position, None)

    def on_claim(self, position: Position, payload: bytes) -> DeviceClaim | None:
        """Take a device's claim; an empty payload retracts it. Returns the new claim."""
        claim = DeviceClaim.model_validate_json(payload, extra="ignore") if payload else None
        if claim is not None:
            self._claims[position] = claim
        else:
            self._claims.pop(position, None)
        self._report_status(position)
        return claim

    def on_last_value(self, position: Position, event_type: str, payload: bytes) -> None:
        """Take a last value; an empty payload retracts it."""
        if payload:
            message = LastValueMessage[Any].model_validate_json(payload, extra="ignore")
            self._last_values[position, event_type] = LastValue(
                position, message, self._decoder.observation(message)
            )
        else:
            self._last_values.pop((position, event_type), None)

    def is_superseded(self, gateway: str, session: str) -> bool:
        """Tell whether a session is over and a gateway has another one."""
        known = self.gateways.get(gateway)
        return known is not None and known.session != session and self._sessions.get(session) is False

    def revive(self, gateway: str, session: str) -> None:
        """Take the newest session of a gateway as alive again: its gateway has proved that it is."""
        known = self.gateways.get(gateway)
        if known is not None and known.session == session and not known.online:
            self._sessions[session] = True
            self.gateways[gateway] = known.model_copy(update={"online": True})

    def report_all(self) -> None:
        """Report the status of every device whose status has changed."""
        for position in self._states:
            self._report_status(position)

    def _is_undecided(self, state: DeviceState | None) -> bool:
        """Tell whether the gateway of a device's state may still prove that it is alive."""
        if state is None or self._sessions.get(state.session) is False:
            return False
        return self._is_awaited(state.session)

    def _is_usable(self, session: str, name: str) -> bool:
        is_alive = self._sessions.get(session, False) and self._is_alive(session)
        return is_alive and (self._is_current is None or self._is_current(name))

    def _report_status(self, position: Position) -> None:
        """Report a device's status, unless it equals the one reported last.

        A broker may send a device's state before that of its gateway: the first report waits for both, so
        that no device is first shown as down.
        """
        status = self.status(position)
        reported = self._reported_status.get(position)
        is_first = reported is None or reported.state is None  # a claim may come before the state
        if is_first and not status.gateway_online and self._is_undecided(status.state):
            return
        if reported is None or _comparison_key(reported) != _comparison_key(status):
            self._reported_status[position] = status
            self._on_status_changed(status)


def _comparison_key(status: DeviceStatus) -> tuple[object, ...]:
    return status.state, status.gateway_online, status.claim
