"""Adapters between the parts of one gateway: devices, commands and previews to delivery and management.

Each implements the protocol of the part that calls it. A reload replaces delivery, so the adapters read it
from the gateway at each call.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

from drivers.driver import Identity
from drivers.observation import Observation
from gateway.audit.journal import AUDITED_DEVICE_EVENTS
from gateway.commands.dispatcher import CommandDispatcher
from gateway.commands.previews import Previews
from gateway.contract.commands import ANSWER_EXPIRY_S, PREVIEW_EXPIRY_S, TOKEN_LIFE_S, CommandOutcome
from gateway.contract.states import DeviceDescription, DeviceState
from gateway.contract.topics import Position, SiteTopics
from gateway.delivery.delivery import Delivery
from gateway.delivery.events import Blob, PendingEvent
from gateway.management.management import Management
from gateway.pki.statements import StatementSigner
from gateway.supervision.listener import DeviceEvent
from gateway.supervision.supervisor import DeviceSupervisor


class GatewayParts(Protocol):
    """Parts of a gateway that the adapters connect."""

    @property
    def topics(self) -> SiteTopics:
        """Topics of this gateway."""
        ...

    @property
    def devices(self) -> Mapping[Position, DeviceSupervisor]:
        """Supervisors of the configured devices."""
        ...

    @property
    def delivery(self) -> Delivery:
        """Present delivery; a reload may replace it."""
        ...

    @property
    def commands(self) -> CommandDispatcher:
        """Dispatcher of MQTT commands."""
        ...

    @property
    def previews(self) -> Previews:
        """Camera previews of claimed devices."""
        ...

    @property
    def statements(self) -> StatementSigner:
        """Signer of retained messages, tokens and answers."""
        ...

    @property
    def management(self) -> Management:
        """Management API, audit and admission."""
        ...

    def publish_record(self, position: Position, observation: Observation, transaction: str) -> None:
        """Store and publish a record of the gateway itself at a position."""
        ...


class DeviceAdapter:
    """Listener of all device supervisors; implements `DeviceListener`."""

    def __init__(self, gateway: GatewayParts) -> None:
        self._gateway = gateway

    def on_event(self, position: str, event: DeviceEvent) -> None:
        """Store an event in the outbox for publication.

        Also write it to the audit journal if its type is audited.
        """
        self._gateway.delivery.submit(
            PendingEvent(
                position=position,
                event_type=event.event_type,
                data_class=event.data_class,
                partial_event=event.partial_event,
                blobs=tuple(Blob(image.role, image.media_type, image.content) for image in event.images),
                received_boot_ns=event.received_boot_ns,
            )
        )
        if event.event_type in AUDITED_DEVICE_EVENTS:
            self._gateway.management.write_device_event(position, event.event_type, event.partial_event)

    def on_state(self, position: str, state: DeviceState) -> None:
        """Publish the state of a device."""
        where = Position.parse(position)
        self._gateway.previews.on_state(where, state.state)
        topic = self._gateway.topics.state(where)
        self._gateway.delivery.publish_retained(topic, state.model_dump_json().encode())
        self._gateway.management.on_device_changed(position)

    def on_description(self, position: str, description: DeviceDescription) -> None:
        """Publish the description of a device."""
        topic = self._gateway.topics.description(Position.parse(position))
        self._gateway.delivery.publish_retained(topic, description.model_dump_json().encode())

    def on_identity(self, position: str, identity: Identity) -> None:
        """Check the serial number of a device that was opened against the accepted one."""
        self._gateway.management.admission.on_identity(position, identity)

    def on_counters(self, position: str, counts: dict[str, Any]) -> None:
        """Add increments of a worker's counters."""
        self._gateway.management.on_counters(position, counts)

    def on_command_result(self, position: str, command_ref: int, outcome: CommandOutcome) -> None:
        """Answer the station that sent a command."""
        self._gateway.commands.on_command_result(Position.parse(position), command_ref, outcome)

    def on_preview_frame(self, position: str, station: str, frame: bytes) -> None:
        """Publish a preview frame for the station that has claimed the camera."""
        self._gateway.previews.on_frame(Position.parse(position), station, frame)

    def on_last_value(self, position: str, event_type: str, last_value: bytes | None) -> None:
        """Publish the last value of an event type; None clears it."""
        topic = self._gateway.topics.last_value(Position.parse(position), event_type)
        self._gateway.delivery.publish_retained(topic, last_value)


class CommandAdapter:
    """Gateway as the command dispatcher sees it; implements `GatewayPort`."""

    def __init__(self, gateway: GatewayParts) -> None:
        self._gateway = gateway
        self.publish_record = gateway.publish_record

    def device(self, position: Position) -> DeviceSupervisor | None:
        """Return the device at a position, or None if there is none."""
        return self._gateway.devices.get(position)

    def publish_answer(self, topic: str, payload: bytes, correlation: bytes) -> None:
        """Publish the answer to a command once, without storing it."""
        user = self._gateway.statements.sign(topic, payload)
        self._gateway.delivery.publish_answer(
            topic, payload, ANSWER_EXPIRY_S, correlation=correlation, user=user
        )

    def publish_token(self, token: str) -> bool:
        """Publish a token of the gateway; False while there is no connection."""
        topic = self._gateway.topics.fresh
        body = self._gateway.statements.token_message(token)
        user = self._gateway.statements.sign(topic, body)
        return self._gateway.delivery.publish_answer(topic, body, TOKEN_LIFE_S, user=user, retain=True)

    def publish_retained(self, topic: str, payload: bytes | None) -> None:
        """Publish a retained message; None clears it."""
        self._gateway.delivery.publish_retained(topic, payload)

    def flush_audit(self) -> asyncio.Future[bool]:
        """Return a future: True once the audit so far is on the disk, False if the disk refuses it."""
        return self._gateway.management.flush_audit()

    def on_claim_changed(self, position: Position, holder: str | None) -> None:
        """Pass the new claim holder of a device to previews and to the management API."""
        self._gateway.previews.on_claim_changed(position, holder)
        self._gateway.management.on_device_changed(str(position))


class PreviewAdapter:
    """Gateway as the previews see it; implements `PreviewPort`."""

    def __init__(self, gateway: GatewayParts) -> None:
        self._gateway = gateway

    def holder(self, position: Position) -> str | None:
        """Return the station that has claimed a device."""
        return self._gateway.commands.holder(position)

    def set_claim_holder(self, position: Position, holder: str | None) -> None:
        """Pass the claim holder to the device's driver."""
        if (device := self._gateway.devices.get(position)) is not None:
            device.set_claim_holder(holder)

    def send_preview(self, topic: str, frame: bytes) -> None:
        """Publish a preview frame once, without storing it."""
        user = self._gateway.statements.sign_picture(topic, frame)
        self._gateway.delivery.send_preview(
            topic, frame, PREVIEW_EXPIRY_S, media_type="image/jpeg", user=user
        )

    def clear_preview(self, topic: str) -> None:
        """Publish an empty frame, which ends a preview."""
        user = self._gateway.statements.sign_picture(topic, b"")
        self._gateway.delivery.publish_answer(
            topic, b"", PREVIEW_EXPIRY_S, media_type="image/jpeg", user=user
        )
