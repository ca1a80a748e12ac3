"""Messages from the broker, each passed to the part of a workstation that it concerns."""

from collections.abc import Mapping

import paho.mqtt.client as mqtt

from gateway.client.claims import HeldClaim
from gateway.client.commands import CommandSender
from gateway.client.events import EventAssembler
from gateway.client.models import DiscardCounts
from gateway.client.previews import PreviewStream
from gateway.client.site_view import SiteView
from gateway.contract.topics import DeviceTopic, Position, to_event_type


class MessageRouter:
    """Router of the messages of one site, by their topics."""

    def __init__(
        self,
        site: str,
        view: SiteView,
        assembler: EventAssembler,
        commands: CommandSender,
        held_claims: Mapping[Position, HeldClaim],
        previews: Mapping[Position, PreviewStream],
        discarded: DiscardCounts,
    ) -> None:
        self._site = site
        self._view = view
        self._assembler = assembler
        self._commands = commands
        self._held_claims = held_claims
        self._previews = previews
        self._discarded = discarded

    def on_message(self, message: mqtt.MQTTMessage, sent_after_s: float) -> bool:
        """Pass one message on; return True if it proves a gateway of the site. Raises ValidationError.

        `sent_after_s`: time before which the broker had not sent it, of the event loop's clock.
        """
        match message.topic.split("/"):
            case [_, "v1", self._site, "_gw", gateway, "state"]:
                return self._on_gateway_state(gateway, message)
            case [_, "v1", self._site, "_gw", gateway, "fresh"]:
                self._view.on_token(gateway, message, sent_after_s)
            case [_, "v1", self._site, *_]:
                if where := DeviceTopic.parse(message.topic):
                    self._on_device_message(where, bytes(message.payload), message, sent_after_s)
        return False

    def _on_gateway_state(self, gateway: str, message: mqtt.MQTTMessage) -> bool:
        is_current = self._view.on_gateway(gateway, message)
        for session in self._view.state.ended_sessions():
            self._commands.on_gateway_lost(session)
        return is_current

    def _on_device_message(
        self, where: DeviceTopic, payload: bytes, message: mqtt.MQTTMessage, sent_after_s: float
    ) -> None:
        if not self._view.accepts(where, message):
            return
        match where.kind, where.levels:
            case "state", ():
                self._view.state.on_device_state(where.position, payload)
            case "desc", ():
                self._view.state.on_description(where.position, payload)
            case "claim", ():
                claim = self._view.state.on_claim(where.position, payload)
                if claim is not None and (held := self._held_claims.get(where.position)) is not None:
                    held.on_holder_changed(claim.holder)
            case "now", (level,):
                self._view.state.on_last_value(where.position, to_event_type(level), payload)
            case "rsp", (station,) if station == self._commands.station:
                self._commands.on_answer(payload, is_verified=self._view.is_verified)
            case "preview", (station,) if station == self._commands.station and not message.retain:
                if (preview := self._previews.get(where.position)) is not None:
                    preview.on_frame(payload)
            case "blob", (event_id, role):
                self._assembler.on_image(event_id, role, payload)
            case "evt", (_,):
                if message.retain:  # an event is never retained by a gateway: its age is unknown
                    self._discarded.expired += 1
                else:
                    # A gateway limits the life of every event; Mosquitto leaves out a remaining 0.
                    lasts_s = getattr(message.properties, "MessageExpiryInterval", 0)
                    said = dict(getattr(message.properties, "UserProperty", ()))
                    self._assembler.on_event(where.position, payload, sent_after_s + lasts_s, said.get("jws"))
