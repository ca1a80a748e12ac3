"""The composition root: builds the parts of one gateway, starts them, reloads them, stops them in order."""

import asyncio
import secrets
import socket
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import structlog

from drivers.driver import Identity, StateCode
from drivers.links.link import Action
from drivers.observation import DataClass, Observation
from gateway.audit.hash_chain import Sign
from gateway.commands.claims import Lease
from gateway.commands.dispatcher import CommandDispatcher
from gateway.commands.previews import Previews
from gateway.common.clock import ClockChange, ClockWatch, SystemTime, current_moment
from gateway.common.problems import Problems
from gateway.common.version import VERSION
from gateway.config import ConfigDiff, ConfigError, DeviceSettings, Post, diff_config, load
from gateway.contract.commands import ANSWER_EXPIRY_S, PREVIEW_EXPIRY_S, CommandOutcome
from gateway.contract.envelope import EnvelopeWriter, Provenance, to_rfc3339
from gateway.contract.events import ClockStepped
from gateway.contract.states import DeviceDescription, DeviceState, GatewayReport, GatewayState
from gateway.contract.topics import Position, SiteTopics
from gateway.delivery.delivery import Delivery
from gateway.delivery.events import Blob, PendingEvent
from gateway.delivery.outbox.database import OutboxUnusable
from gateway.delivery.outbox.encryption import EncryptionKeyError
from gateway.delivery_config import delivery_settings
from gateway.management.management import Management
from gateway.state_dir import EX_CONFIG, CannotStartError, lock_state_dir
from gateway.supervision.forkserver_client import ForkServerClient
from gateway.supervision.listener import DeviceEvent
from gateway.supervision.supervisor import DeviceSupervisor, WorkerLimits
from gateway.worker.worker import WorkerSpec

log = structlog.get_logger()

CONSOLE_LISTEN_FAILED = "console_listen_failed"
DELIVERY_STOP_TIMEOUT_S = 2.0
"""What delivery has for saying goodbye, in seconds; all of a stop must fit into five."""


class Gateway:
    """One post's gateway."""

    def __init__(
        self,
        post: Post,
        path: Path,
        forkserver: ForkServerClient,
        console_socket: socket.socket | None = None,
    ) -> None:
        """`console` is the socket that technicians come in by, where it is open already."""
        self.post = post
        self.path = path
        self.session = secrets.token_hex(8)
        self._time = SystemTime()
        self._started_unix_ns = self._time.unix_ns()
        self._clock_watch = ClockWatch(self._time, self._on_clock_change)
        self._topics = SiteTopics(post.gateway.site, post.gateway.name, post.gateway.topic_root)
        self._problems = Problems(self._publish_state)
        self._forkserver = forkserver
        self._devices: dict[Position, DeviceSupervisor] = {}
        self._deferred_records: list[PendingEvent] | None = None
        """Records of ours that wait while delivery is exchanged; devices are paused meanwhile."""
        self._commands = CommandDispatcher(
            self.session, self._topics, post.commands, post.roles, self, time_source=self._time
        )
        self._previews = Previews(self._topics, self)
        self._sign = _load_signer(post)
        self._lock: IO[str] | None = None
        self.management = Management(
            self,
            post.gateway.state_dir,
            str(self._topics.gateway_position),
            self._time,
            self._sign,
            console_socket,
        )
        self._delivery = self._new_delivery()

    def _new_delivery(self) -> Delivery:
        return Delivery(
            delivery_settings(self.post),
            self._topics,
            self.session,
            time_source=self._time,
            on_change=self._publish_state,
            subscriptions=(self._topics.commands,),
            on_message=self._commands.on_message,
            on_no_subscriber=self._previews.on_no_subscriber,
            sign=self._sign,
        )

    async def start(self) -> None:
        """Make ready to deliver, then start the devices; raises CannotStartError."""
        state_dir = self.post.gateway.state_dir
        self._lock = lock_state_dir(state_dir)
        try:
            await self._delivery.start()
        except (EncryptionKeyError, OutboxUnusable) as error:
            raise CannotStartError(str(error), "Nothing was changed on disk.", EX_CONFIG) from error
        self._clock_watch.start()
        if not self.post.gateway.is_named:
            self._problems.add(
                "site_not_configured",
                f"This post has no name yet: no device is started at {self.post.gateway.site}.",
                Action.CONFIGURE,
                f"Write site, name and devices into {self.path}, then: sudo borderpost config check && "
                "sudo systemctl restart borderpost",
            )
        self._clear_removed_positions()
        self.management.start()
        for position, device in self.post.devices.items():
            self._add(position, device)
        self._open_console()
        self._publish_state()
        log.info(
            "gateway_started",
            site=self.post.gateway.site,
            gateway=self.post.gateway.name,
            profile=self.post.gateway.profile,
            session=self.session,
            version=VERSION,
            count=len(self._devices),
        )

    async def stop(self) -> None:
        """Close the devices, deliver what can be delivered at once, say goodbye."""
        log.info("gateway_stopping", session=self.session)
        self._clock_watch.stop()
        self._commands.refuse_commands()
        await self.management.close_console()
        await asyncio.gather(*(device.stop() for device in self._devices.values()))
        self._commands.stop()
        await self.management.stop()
        await self._forkserver.close()
        await self._delivery.stop(DELIVERY_STOP_TIMEOUT_S)
        if self._lock is not None:
            self._lock.close()
        log.info("gateway_stopped", session=self.session)

    def on_event(self, position: str, event: DeviceEvent) -> None:
        """Make what a device said durable, and so published."""
        self._delivery.submit(
            PendingEvent(
                position=position,
                event_type=event.event_type,
                data_class=DataClass(event.data_class),
                partial_event=event.partial_event,
                blobs=tuple(Blob(image.role, image.media_type, image.content) for image in event.images),
                received_boot_ns=event.received_boot_ns,
            )
        )
        self.management.on_event(position, event.event_type, event.partial_event)

    def on_state(self, position: str, state: DeviceState) -> None:
        """Publish how a device is."""
        self._previews.on_state(Position.parse(position), state.state)
        topic = self._topics.state(Position.parse(position))
        self._delivery.publish_retained(topic, state.model_dump_json().encode())
        self.management.on_device_changed(position)

    def on_identity(self, position: str, identity: Identity) -> None:
        """Find out whether who answered may serve here."""
        self.management.on_identity(position, identity)

    def on_counters(self, position: str, counts: dict[str, Any]) -> None:
        """Count what has happened for whoever is there."""
        self.management.on_counters(position, counts)

    def on_description(self, position: str, description: DeviceDescription) -> None:
        """Publish what stands at a position."""
        topic = self._topics.description(Position.parse(position))
        self._delivery.publish_retained(topic, description.model_dump_json().encode())

    def on_last_value(self, position: str, event_type: str, last_value: bytes | None) -> None:
        """Publish, or take back, what a device said last of a kind that stands."""
        self._delivery.publish_retained(
            self._topics.last_value(Position.parse(position), event_type), last_value
        )

    def on_command_result(self, position: str, command_ref: int, outcome: CommandOutcome) -> None:
        """Answer whoever gave a command."""
        self._commands.on_command_result(Position.parse(position), command_ref, outcome)

    def on_preview_frame(self, position: str, station: str, frame: bytes) -> None:
        """Show what a camera sees to who may see it."""
        self._previews.on_frame(Position.parse(position), station, frame)

    def holder(self, position: Position) -> str | None:
        """Who has claimed a device."""
        return self._commands.holder(position)

    def on_claim_changed(self, position: Position, holder: str | None) -> None:
        """Learn who has a device from now on."""
        self._previews.on_claim_changed(position, holder)
        self.management.on_device_changed(str(position))

    def set_claim_holder(self, position: Position, holder: str | None) -> None:
        """Let a device know who has it."""
        if (device := self._devices.get(position)) is not None:
            device.set_claim_holder(holder)

    def send_preview(self, topic: str, frame: bytes) -> None:
        """Send a picture at once or never."""
        self._delivery.send_preview(topic, frame, PREVIEW_EXPIRY_S, media_type="image/jpeg")

    def clear_preview(self, topic: str) -> None:
        """Say that what was shown is over."""
        self._delivery.publish_answer(topic, b"", PREVIEW_EXPIRY_S, media_type="image/jpeg")

    def device(self, position: Position) -> DeviceSupervisor | None:
        """What serves a position."""
        return self._devices.get(position)

    def lease(self, position: Position) -> Lease | None:
        """Who has claimed a device, since when and for how long."""
        return self._commands.lease(position)

    def revoke_claim(self, position: Position) -> None:
        """Take a device from the station that has claimed it."""
        self._commands.revoke_claim(position)

    def set_ack_listener(self, listener: Callable[[int], None] | None) -> None:
        """Have it told when each event was heard that the post's broker has now; None: no longer."""
        self._delivery.set_ack_listener(listener)

    def publish_answer(self, topic: str, payload: bytes, correlation: bytes) -> None:
        """Send an answer, now or never."""
        self._delivery.publish_answer(topic, payload, ANSWER_EXPIRY_S, correlation=correlation)

    def publish_retained(self, topic: str, payload: bytes | None) -> None:
        """Have this stand at a topic; None clears it."""
        self._delivery.publish_retained(topic, payload)

    def publish_record(self, position: Position, observation: Observation, transaction: str) -> None:
        """Make durable what the gateway itself says at a position, which is as real as the device there."""
        device = self._devices.get(position)
        said = (
            device.published_state.provenance
            if device is not None and device.published_state is not None
            else None
        )
        provenance = said or Provenance.LIVE
        self.management.write_audit(position, observation, transaction, provenance)
        writer = EnvelopeWriter(self.post.gateway.site, self.post.gateway.name, str(position))
        open_event = writer.write_partial_event(
            observation, current_moment(self._time), provenance, transaction
        )
        submission = PendingEvent(str(position), observation.event_type, observation.data_class, open_event)
        if self._deferred_records is None:
            self._delivery.submit(submission)
        else:
            self._deferred_records.append(submission)

    async def reload(self) -> None:
        """Read the file again and touch only what changed; a broken file changes nothing."""
        try:
            post = load(self.path)
            delivery_settings(post)
        except (ConfigError, OSError) as error:
            log.error("config_invalid", config=str(self.path), text=str(error))
            self._problems.add(
                "config_invalid",
                "The configuration on disk has mistakes; the gateway goes on with the one before.",
                Action.CONFIGURE,
                f"borderpost config check {self.path}",
            )
            return
        self._problems.clear("config_invalid")
        if not self.post.gateway.is_named:  # a name takes effect at the next start, and devices stand at it
            post = post.model_copy(update={"devices": {}})
        changes = diff_config(self.post, post)
        if changes.restart:
            self._problems.add(
                "restart_needed",
                f"Changes of {', '.join(changes.restart)} take effect at the next start only.",
                Action.RESTART,
                "systemctl restart borderpost",
            )
        if post.gateway.profile != self.post.gateway.profile:
            # What is allowed to training, a gateway that still runs in production must not take over.
            log.warning("config_needs_restart", config=str(self.path))
            return
        await self._apply(changes, post)
        log.info("config_reloaded", config=str(self.path), count=len(self._devices))

    async def _apply(self, changes: ConfigDiff, post: Post) -> None:
        # What cannot change while running stays as it is until the restart that was asked for.
        self.post = post.model_copy(update={name: getattr(self.post, name) for name in changes.restart})
        for position in (*changes.removed, *changes.changed):
            self.management.admission.on_device_removed(str(position))
            await self._devices[position].stop()
            self._commands.revoke_claim(position)
            del self._devices[position]
        for position in changes.removed:
            self._clear_retained(position)
        if changes.commands:
            self._commands.configure(post.commands, post.roles)
        if changes.broker or changes.hq or changes.delivery:
            await self._replace_delivery()
        for position in (*changes.added, *changes.changed):
            self._add(position, post.devices[position])
        closed = any(problem.cause == CONSOLE_LISTEN_FAILED for problem in self._problems.active())
        if changes.console or closed:
            await self.management.close_console()
            self._open_console()
        self._publish_state()

    async def _replace_delivery(self) -> None:
        """Open the outbox anew with other limits or destinations; devices wait meanwhile and lose nothing."""
        for device in self._devices.values():
            device.pause()
        self._clock_watch.stop()  # a step meanwhile is seen by the difference it leaves
        self._deferred_records = []
        await self._delivery.stop(DELIVERY_STOP_TIMEOUT_S)
        self._delivery = self._new_delivery()
        await self._delivery.start()
        held, self._deferred_records = self._deferred_records, None
        for submission in held:
            self._delivery.submit(submission)
        self._clock_watch.start()
        self._commands.republish_claims()
        for device in self._devices.values():
            device.republish()
            device.resume()

    def _add(self, position: Position, device: DeviceSettings) -> None:
        supervision = self.post.supervision
        spec = WorkerSpec(
            site=self.post.gateway.site,
            gateway=self.post.gateway.name,
            position=str(position),
            driver=device.driver,
            settings=device.raw_settings,
            is_production=self.post.gateway.profile == "production",
            heartbeat_interval_s=supervision.heartbeat_interval_s,
            open_timeout_s=supervision.open_timeout_s,
            backoff_first_s=supervision.backoff_first_s,
            backoff_max_s=supervision.backoff_max_s,
            expected_firmware=device.expected_firmware,
        )
        limits = WorkerLimits(
            heartbeat_timeout_s=supervision.heartbeat_timeout_s, stop_timeout_s=supervision.stop_timeout_s
        )
        supervised = DeviceSupervisor(spec, limits, self._forkserver, self, self.session)
        self._devices[position] = supervised
        self._delivery.publish_retained(self._topics.claim(position), None)  # one of an earlier run is over
        supervised.start()
        self.management.admission.on_device_added(str(position))

    def _open_console(self) -> None:
        """Open what the console listens on. What cannot be opened keeps no traveller waiting."""
        self._problems.clear(CONSOLE_LISTEN_FAILED)
        try:
            self.management.open_console(self.post.console.listen)
        except OSError as error:
            log.error("console_listen_failed", exc_info=error)
            self._problems.add(
                CONSOLE_LISTEN_FAILED,
                f"The technicians' console cannot be opened: {error.strerror}.",
                Action.CONFIGURE,
                "Stop who listens there, or correct [console] listen; then systemctl reload borderpost.",
            )

    def _clear_retained(self, position: Position) -> None:
        """Take a position's retained messages back: nobody must see a device that is not there."""
        for topic in (self._topics.state(position), self._topics.description(position)):
            self._delivery.publish_retained(topic, None)

    def _clear_removed_positions(self) -> None:
        """Clear what an earlier run published for devices that have left the configuration since."""
        ours = {self._topics.gateway_state}
        for position in self.post.devices:
            ours |= {self._topics.state(position), self._topics.description(position)}
        for topic in self._delivery.retained_topics() - ours:
            self._delivery.publish_retained(topic, None)

    def _on_clock_change(self, change: ClockChange) -> None:
        """Record that the wall clock was set: whoever reads our times can then put them right."""
        observation = ClockStepped(
            step_ms=change.step_ns // 1_000_000,
            clock_status=change.clock_status,
            first_synced=change.first_synced,
        )
        self.publish_record(self._topics.gateway_position, observation, str(uuid.uuid4()))
        self._publish_state()

    def to_report(self) -> GatewayReport:
        """What there is to tell of the gateway itself."""
        return GatewayReport(
            version=VERSION,
            profile=self.post.gateway.profile,
            bootid=self._time.boot_id,
            clock=self._time.clock_status(),
            epoch=self._delivery.epoch,
            since=to_rfc3339(self._started_unix_ns),
            events_dropped=self._delivery.dropped,
            images_dropped=self._delivery.images_dropped,
            destinations=self._delivery.destination_reports(),
            problems=(*self._problems.active(), *self._delivery.problems()),
        )

    def find_stuck_part(self, patience_s: float) -> str | None:
        """The part that was not seen at work within so many seconds, for whoever would start us anew."""
        if (part := self._delivery.find_stuck_part(patience_s)) is not None:
            return part
        alone = (position for position, one in self._devices.items() if not one.is_alive(patience_s))
        return next((f"supervisor of {position}" for position in alone), None)

    def status_line(self) -> str:
        """How we are, in a line of `systemctl status`."""
        online = sum(device.state_code is StateCode.ONLINE for device in self._devices.values())
        away = [each.name for each in self._delivery.destination_reports() if not each.connected]
        problems = len(self._problems.active()) + len(self._delivery.problems())
        named = f"{self.post.gateway.site}/{self.post.gateway.name}"
        return (
            f"{named}: {online} of {len(self._devices)} devices online"
            + (f"; no connection to {', '.join(away)}" if away else "")
            + (f"; {problems} to be seen to: borderpost doctor" if problems else "")
        )

    def _publish_state(self) -> None:
        """Publish how the gateway itself is."""
        state = GatewayState(online=True, session=self.session, report=self.to_report())
        self._delivery.publish_retained(self._topics.gateway_state, state.model_dump_json().encode())
        self.management.on_gateway_changed()


def _load_signer(post: Post) -> Sign | None:
    """What signs events and the audit, where the post's file names a key; raises CannotStartError."""
    if post.gateway.signing_key is None and post.gateway.signing_credential is None:
        return None
    from gateway.pki.keys import UnusableKeyError
    from gateway.pki.signing_key import load_signer

    try:
        return load_signer(post).sign
    except (UnusableKeyError, OSError) as error:
        raise CannotStartError(
            f"The signing key cannot be used: {error}.",
            "borderpost trust init makes one; [gateway] signing_key names its file.",
            EX_CONFIG,
        ) from error
