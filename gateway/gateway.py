"""The composition root: builds the parts of one gateway, starts them, reloads them, stops them in order."""

import asyncio
import secrets
import socket
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import structlog

from drivers.driver import Condition, Identity
from drivers.links.link import Action
from drivers.observation import DataClass, Observation
from gateway.audit.hash_chain import Sign
from gateway.commands.claims import Lease
from gateway.commands.dispatcher import CommandPath
from gateway.commands.previews import Previews
from gateway.common.clock import ClockChange, ClockWatch, SystemTime, moment
from gateway.common.problems import Problems
from gateway.common.version import VERSION
from gateway.config import Changes, ConfigError, DeviceSettings, Post, changed, load
from gateway.contract.commands import ANSWER_EXPIRY_S, PREVIEW_EXPIRY_S, Outcome
from gateway.contract.envelope import EnvelopeWriter, Provenance, timestamp
from gateway.contract.events import ClockStepped
from gateway.contract.states import DeviceDescription, DeviceState, GatewayReport, GatewayState
from gateway.contract.topics import Position, SiteTopics
from gateway.delivery.delivery import Delivery
from gateway.delivery.events import Blob, Submission
from gateway.delivery.outbox.database import OutboxRefused
from gateway.delivery.outbox.encryption import VaultError
from gateway.delivery_config import delivery_settings
from gateway.management.management import Technicians
from gateway.state_dir import EX_CONFIG, CannotStartError, hold
from gateway.supervision.forkserver_client import Nursery
from gateway.supervision.listener import Heard
from gateway.supervision.supervisor import Limits, Supervised
from gateway.worker.worker import Order

log = structlog.get_logger()

CONSOLE_CLOSED = "console_closed"
FAREWELL_S = 2.0
"""What delivery has for saying goodbye, in seconds; all of a stop must fit into five."""


class Gateway:
    """One post's gateway."""

    def __init__(
        self, post: Post, path: Path, nursery: Nursery, console: socket.socket | None = None
    ) -> None:
        """`console` is the socket that technicians come in by, where it is open already."""
        self.post = post
        self.path = path
        self.session = secrets.token_hex(8)
        self._time = SystemTime()
        self._since = self._time.unix_ns()
        self._clock_watch = ClockWatch(self._time, self._clock_changed)
        self._topics = SiteTopics(post.gateway.site, post.gateway.name, post.gateway.topic_root)
        self._problems = Problems(self._tell_state)
        self._nursery = nursery
        self._devices: dict[Position, Supervised] = {}
        self._held: list[Submission] | None = None
        """Records of ours that wait while delivery is exchanged; devices are paused meanwhile."""
        self._commands = CommandPath(
            self.session, self._topics, post.commands, post.roles, self, time_source=self._time
        )
        self._previews = Previews(self._topics, self)
        self._sign = _sign(post)
        self._lock: IO[str] | None = None
        self.technicians = Technicians(
            self, post.gateway.state_dir, str(self._topics.gateway_position), self._time, self._sign, console
        )
        self._delivery = self._new_delivery()

    def _new_delivery(self) -> Delivery:
        return Delivery(
            delivery_settings(self.post),
            self._topics,
            self.session,
            time_source=self._time,
            on_change=self._tell_state,
            subscriptions=(self._topics.commands,),
            on_message=self._commands.take,
            on_unheard=self._previews.unheard,
            sign=self._sign,
        )

    async def start(self) -> None:
        """Make ready to deliver, then start the devices; raises CannotStartError."""
        state_dir = self.post.gateway.state_dir
        self._lock = hold(state_dir)
        try:
            await self._delivery.start()
        except (VaultError, OutboxRefused) as error:
            raise CannotStartError(str(error), "Nothing was changed on disk.", EX_CONFIG) from error
        self._clock_watch.start()
        if not self.post.gateway.named:
            self._problems.add(
                "unnamed",
                f"This post has no name yet: no device is started at {self.post.gateway.site}.",
                Action.CONFIGURE,
                f"Write site, name and devices into {self.path}, then: sudo borderpost config check && "
                "sudo systemctl restart borderpost",
            )
        self._forget_removed()
        self.technicians.start()
        for position, device in self.post.devices.items():
            self._add(position, device)
        self._let_technicians_in()
        self._tell_state()
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
        self._commands.close()
        await self.technicians.see_out()
        await asyncio.gather(*(device.stop() for device in self._devices.values()))
        self._commands.stop()
        await self.technicians.stop()
        await self._nursery.close()
        await self._delivery.stop(FAREWELL_S)
        if self._lock is not None:
            self._lock.close()
        log.info("gateway_stopped", session=self.session)

    def heard(self, position: str, heard: Heard) -> None:
        """Make what a device said durable, and so published."""
        self._delivery.submit(
            Submission(
                position=position,
                event_type=heard.event_type,
                data_class=DataClass(heard.data_class),
                open_event=heard.open_event,
                blobs=tuple(Blob(image.role, image.media_type, image.content) for image in heard.images),
                heard_ns=heard.boot_ns,
            )
        )
        self.technicians.heard(position, heard.event_type, heard.open_event)

    def state_changed(self, position: str, state: DeviceState) -> None:
        """Publish how a device is."""
        self._previews.state_changed(Position.parse(position), state.state)
        topic = self._topics.state(Position.parse(position))
        self._delivery.retain(topic, state.model_dump_json().encode())
        self.technicians.device_changed(position)

    def identified(self, position: str, identity: Identity) -> None:
        """Find out whether who answered may serve here."""
        self.technicians.identified(position, identity)

    def counted(self, position: str, counts: dict[str, Any]) -> None:
        """Count what has happened for whoever is there."""
        self.technicians.counted(position, counts)

    def description_changed(self, position: str, description: DeviceDescription) -> None:
        """Publish what stands at a position."""
        topic = self._topics.description(Position.parse(position))
        self._delivery.retain(topic, description.model_dump_json().encode())

    def stands(self, position: str, event_type: str, standing: bytes | None) -> None:
        """Publish, or take back, what a device said last of a kind that stands."""
        self._delivery.retain(self._topics.now(Position.parse(position), event_type), standing)

    def answered(self, position: str, ticket: int, outcome: Outcome) -> None:
        """Answer whoever gave a command."""
        self._commands.answered(Position.parse(position), ticket, outcome)

    def glimpsed(self, position: str, station: str, picture: bytes) -> None:
        """Show what a camera sees to who may see it."""
        self._previews.show(Position.parse(position), station, picture)

    def holder(self, position: Position) -> str | None:
        """Who has claimed a device."""
        return self._commands.holder(position)

    def claim_changed(self, position: Position, holder: str | None) -> None:
        """Learn who has a device from now on."""
        self._previews.claim_changed(position, holder)
        self.technicians.device_changed(str(position))

    def tell_holder(self, position: Position, holder: str | None) -> None:
        """Let a device know who has it."""
        if (device := self._devices.get(position)) is not None:
            device.claimed_by(holder)

    def glimpse(self, topic: str, picture: bytes) -> None:
        """Send a picture at once or never."""
        self._delivery.glimpse(topic, picture, PREVIEW_EXPIRY_S, media_type="image/jpeg")

    def wipe(self, topic: str) -> None:
        """Say that what was shown is over."""
        self._delivery.respond(topic, b"", PREVIEW_EXPIRY_S, media_type="image/jpeg")

    def device(self, position: Position) -> Supervised | None:
        """What serves a position."""
        return self._devices.get(position)

    def lease(self, position: Position) -> Lease | None:
        """Who has claimed a device, since when and for how long."""
        return self._commands.lease(position)

    def end_claim(self, position: Position) -> None:
        """Take a device from the station that has claimed it."""
        self._commands.forget(position)

    def tell_arrivals(self, told: Callable[[int], None] | None) -> None:
        """Have it told when each event was heard that the post's broker has now; None: no longer."""
        self._delivery.tell_arrivals(told)

    def respond(self, topic: str, payload: bytes, correlation: bytes) -> None:
        """Send an answer, now or never."""
        self._delivery.respond(topic, payload, ANSWER_EXPIRY_S, correlation=correlation)

    def retain(self, topic: str, payload: bytes | None) -> None:
        """Have this stand at a topic; None clears it."""
        self._delivery.retain(topic, payload)

    def record(self, position: Position, observation: Observation, transaction: str) -> None:
        """Make durable what the gateway itself says at a position, which is as real as the device there."""
        device = self._devices.get(position)
        said = device.state.provenance if device is not None and device.state is not None else None
        provenance = said or Provenance.LIVE
        self.technicians.recorded(position, observation, transaction, provenance)
        writer = EnvelopeWriter(self.post.gateway.site, self.post.gateway.name, str(position))
        open_event = writer.open_event(observation, moment(self._time), provenance, transaction)
        submission = Submission(str(position), observation.event_type, observation.data_class, open_event)
        if self._held is None:
            self._delivery.submit(submission)
        else:
            self._held.append(submission)

    async def reload(self) -> None:
        """Read the file again and touch only what changed; a broken file changes nothing."""
        try:
            post = load(self.path)
            delivery_settings(post)
        except (ConfigError, OSError) as error:
            log.error("config_refused", config=str(self.path), text=str(error))
            self._problems.add(
                "config_refused",
                "The configuration on disk has mistakes; the gateway goes on with the one before.",
                Action.CONFIGURE,
                f"borderpost config check {self.path}",
            )
            return
        self._problems.clear("config_refused")
        if not self.post.gateway.named:  # a name takes effect at the next start, and devices stand at it
            post = post.model_copy(update={"devices": {}})
        changes = changed(self.post, post)
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

    async def _apply(self, changes: Changes, post: Post) -> None:
        # What cannot change while running stays as it is until the restart that was asked for.
        self.post = post.model_copy(update={name: getattr(self.post, name) for name in changes.restart})
        for position in (*changes.removed, *changes.altered):
            self.technicians.admission.removed(str(position))
            await self._devices[position].stop()
            self._commands.forget(position)
            del self._devices[position]
        for position in changes.removed:
            self._clear(position)
        if changes.commands:
            self._commands.configure(post.commands, post.roles)
        if changes.broker or changes.hq or changes.delivery:
            await self._exchange_delivery()
        for position in (*changes.added, *changes.altered):
            self._add(position, post.devices[position])
        closed = any(problem.cause == CONSOLE_CLOSED for problem in self._problems.standing())
        if changes.console or closed:
            await self.technicians.see_out()
            self._let_technicians_in()
        self._tell_state()

    async def _exchange_delivery(self) -> None:
        """Open the outbox anew with other limits or destinations; devices wait meanwhile and lose nothing."""
        for device in self._devices.values():
            device.pause()
        self._clock_watch.stop()  # a step meanwhile is seen by the difference it leaves
        self._held = []
        await self._delivery.stop(FAREWELL_S)
        self._delivery = self._new_delivery()
        await self._delivery.start()
        held, self._held = self._held, None
        for submission in held:
            self._delivery.submit(submission)
        self._clock_watch.start()
        self._commands.tell_again()
        for device in self._devices.values():
            device.tell_again()
            device.resume()

    def _add(self, position: Position, device: DeviceSettings) -> None:
        supervision = self.post.supervision
        order = Order(
            site=self.post.gateway.site,
            gateway=self.post.gateway.name,
            position=str(position),
            driver=device.driver,
            settings=device.table,
            production=self.post.gateway.profile == "production",
            heartbeat_s=supervision.heartbeat_s,
            open_limit_s=supervision.open_limit_s,
            backoff_first_s=supervision.backoff_first_s,
            backoff_max_s=supervision.backoff_max_s,
            expect_firmware=device.expect_firmware,
        )
        limits = Limits(silent_s=supervision.heartbeat_limit_s, stop_s=supervision.stop_s)
        supervised = Supervised(order, limits, self._nursery, self, self.session)
        self._devices[position] = supervised
        self._delivery.retain(self._topics.claim(position), None)  # one of an earlier run is over
        supervised.start()
        self.technicians.admission.added(str(position))

    def _let_technicians_in(self) -> None:
        """Open what the console listens on. What cannot be opened keeps no traveller waiting."""
        self._problems.clear(CONSOLE_CLOSED)
        try:
            self.technicians.let_in(self.post.console.listen)
        except OSError as error:
            log.error("console_closed", exc_info=error)
            self._problems.add(
                CONSOLE_CLOSED,
                f"The technicians' console cannot be opened: {error.strerror}.",
                Action.CONFIGURE,
                "Stop who listens there, or correct [console] listen; then systemctl reload borderpost.",
            )

    def _clear(self, position: Position) -> None:
        """Take a position's retained messages back: nobody must see a device that is not there."""
        for topic in (self._topics.state(position), self._topics.description(position)):
            self._delivery.retain(topic, None)

    def _forget_removed(self) -> None:
        """Clear what an earlier run published for devices that have left the configuration since."""
        ours = {self._topics.gateway_state}
        for position in self.post.devices:
            ours |= {self._topics.state(position), self._topics.description(position)}
        for topic in self._delivery.known_retained() - ours:
            self._delivery.retain(topic, None)

    def _clock_changed(self, change: ClockChange) -> None:
        """Record that the wall clock was set: whoever reads our times can then put them right."""
        observation = ClockStepped(
            step_ms=change.step_ns // 1_000_000, standing=change.standing, first_synced=change.first_synced
        )
        self.record(self._topics.gateway_position, observation, str(uuid.uuid4()))
        self._tell_state()

    def report(self) -> GatewayReport:
        """What there is to tell of the gateway itself."""
        return GatewayReport(
            version=VERSION,
            profile=self.post.gateway.profile,
            bootid=self._time.boot_id,
            clock=self._time.standing(),
            epoch=self._delivery.epoch,
            since=timestamp(self._since),
            dropped=self._delivery.dropped,
            images_dropped=self._delivery.images_dropped,
            destinations=self._delivery.reports(),
            problems=(*self._problems.standing(), *self._delivery.problems()),
        )

    def stuck(self, patience_s: float) -> str | None:
        """The part that was not seen at work within so many seconds, for whoever would start us anew."""
        if (part := self._delivery.stuck(patience_s)) is not None:
            return part
        alone = (position for position, one in self._devices.items() if not one.alive(patience_s))
        return next((f"supervisor of {position}" for position in alone), None)

    def status(self) -> str:
        """How we are, in a line of `systemctl status`."""
        online = sum(device.condition is Condition.ONLINE for device in self._devices.values())
        away = [each.name for each in self._delivery.reports() if not each.connected]
        problems = len(self._problems.standing()) + len(self._delivery.problems())
        named = f"{self.post.gateway.site}/{self.post.gateway.name}"
        return (
            f"{named}: {online} of {len(self._devices)} devices online"
            + (f"; no connection to {', '.join(away)}" if away else "")
            + (f"; {problems} to be seen to: borderpost doctor" if problems else "")
        )

    def _tell_state(self) -> None:
        """Publish how the gateway itself is."""
        state = GatewayState(online=True, session=self.session, report=self.report())
        self._delivery.retain(self._topics.gateway_state, state.model_dump_json().encode())
        self.technicians.gateway_changed()


def _sign(post: Post) -> Sign | None:
    """What signs events and the audit, where the post's file names a key; raises CannotStartError."""
    if post.gateway.signing_key is None and post.gateway.signing_credential is None:
        return None
    from gateway.pki.keys import UnusableKeyError
    from gateway.pki.signing_key import signer_of

    try:
        return signer_of(post).sign
    except (UnusableKeyError, OSError) as error:
        raise CannotStartError(
            f"The signing key cannot be used: {error}.",
            "borderpost trust init makes one; [gateway] signing_key names its file.",
            EX_CONFIG,
        ) from error
