"""Composition root: builds the parts of one gateway, starts them, reloads them, stops them in order."""

import asyncio
import os
import secrets
import socket
import uuid
from pathlib import Path
from typing import IO

import structlog

from drivers.driver import StateCode
from drivers.links.link import Action
from drivers.observation import Observation
from gateway.adapters import CommandAdapter, DeviceAdapter, PreviewAdapter
from gateway.commands.dispatcher import CommandDispatcher
from gateway.commands.fresh_tokens import TokenPublisher
from gateway.commands.previews import Previews
from gateway.commands.signatures import CommandSignatures
from gateway.common.clock import ClockChange, ClockWatch, SystemTime, current_moment
from gateway.common.problems import Problems
from gateway.common.version import VERSION
from gateway.config import ConfigDiff, ConfigError, DeviceSettings, Post, diff_config, load
from gateway.contract.envelope import EnvelopeWriter, Provenance, to_rfc3339
from gateway.contract.events import ClockStepped
from gateway.contract.states import GatewayReport, GatewayState
from gateway.contract.topics import Position, SiteTopics
from gateway.delivery.delivery import Delivery
from gateway.delivery.events import PendingEvent
from gateway.delivery.outbox.database import OutboxUnusable
from gateway.delivery.outbox.encryption import EncryptionKeyError
from gateway.delivery_config import delivery_settings
from gateway.key_loading import load_signer, load_station_keys
from gateway.management.management import Management
from gateway.pki.statements import StatementSigner
from gateway.state_dir import EX_CONFIG, CannotStartError, lock_state_dir
from gateway.supervision.confinement import decide_confinement
from gateway.supervision.device_records import DeviceRecords
from gateway.supervision.processes.forkserver_client import ForkServerClient
from gateway.supervision.supervisor import DeviceSupervisor
from gateway.supervision_config import faulty_driver, worker_limits, worker_spec

log = structlog.get_logger()

CONSOLE_LISTEN_FAILED = "console_listen_failed"
CONFIG_PART_UNUSABLE = "config_part_unusable"
DELIVERY_STOP_TIMEOUT_S = 2.0
"""Time for delivery to disconnect cleanly, in seconds; the whole stop must fit into five."""


class Gateway:
    """The gateway of one border post."""

    def __init__(
        self,
        post: Post,
        path: Path,
        forkserver: ForkServerClient,
        console_socket: socket.socket | None = None,
    ) -> None:
        """Build the parts; `console_socket` is the console's listening socket if systemd has opened it."""
        self.post = post
        self.path = path
        self.session = secrets.token_hex(8)
        self._time = SystemTime()
        self._started_unix_ns = self._time.unix_ns()
        self._clock_watch = ClockWatch(self._time, self._on_clock_change)
        self.topics = SiteTopics(post.gateway.site, post.gateway.name, post.gateway.topic_root)
        self._problems = Problems(self._publish_state)
        self._forkserver = forkserver
        self._confinement = decide_confinement(
            post.supervision.confinement, os.environ, is_production=post.gateway.profile == "production"
        )
        self.devices: dict[Position, DeviceSupervisor] = {}
        self._deferred_records: list[PendingEvent] | None = None
        """Records of the gateway that wait while delivery is replaced; devices are paused meanwhile."""
        self._sign = load_signer(post)
        self.statements = StatementSigner(self.session, f"{self.topics.root}/{self.topics.site}/", self._sign)
        self._signatures = CommandSignatures(
            post.signed_commands, post.roles, load_station_keys, time_source=self._time
        )
        adapter = CommandAdapter(self)
        self._tokens = TokenPublisher(self._signatures.tokens, adapter.publish_token)
        self.commands = CommandDispatcher(
            self.session,
            self.topics,
            post.commands,
            post.roles,
            adapter,
            time_source=self._time,
            signatures=self._signatures,
        )
        self.previews = Previews(self.topics, PreviewAdapter(self))
        self._device_listener = DeviceAdapter(self)
        self._lock: IO[str] | None = None
        self.management = Management(
            self,
            post.gateway.state_dir,
            str(self.topics.gateway_position),
            self._time,
            self._sign,
            console_socket,
        )
        self._records = DeviceRecords(post.gateway.state_dir / "device-records", self._problems)
        self.delivery = self._new_delivery()

    def _new_delivery(self) -> Delivery:
        return Delivery(
            delivery_settings(self.post),
            self.topics,
            self.session,
            time_source=self._time,
            on_change=self._publish_state,
            stations=self.post.roles.commanding_stations,
            on_message=self.commands.on_message,
            on_flood=self.commands.on_flood,
            on_no_subscriber=self.previews.on_no_subscriber,
            sign=self._sign,
            sign_retained=self.statements.sign_retained,
        )

    async def start(self) -> None:
        """Start delivery, then the devices; raises CannotStartError."""
        lack = self._confinement.problem()
        if lack is not None and not self._confinement.is_permitted:
            raise CannotStartError(
                lack.text,
                f'{lack.how}; or accept the risk with confinement = "best" in [supervision].',
                EX_CONFIG,
            )
        state_dir = self.post.gateway.state_dir
        self._lock = lock_state_dir(state_dir)
        try:
            await self.delivery.start()
        except (EncryptionKeyError, OutboxUnusable) as error:
            raise CannotStartError(str(error), "Nothing was changed on disk.", EX_CONFIG) from error
        self._clock_watch.start()
        if lack is not None:
            self._problems.add(lack.cause, lack.text, lack.action, lack.how)
        if not self.post.gateway.is_named:
            self._problems.add(
                "site_not_configured",
                f"The border post has no name yet, so no device is started at {self.post.gateway.site}.",
                Action.CONFIGURE,
                f"Write site, name and devices into {self.path}, then: sudo borderpost config check && "
                "sudo systemctl restart borderpost",
            )
        self._report_tolerated()
        self._clear_removed_positions()
        self.management.start()
        for one in await self.management.interrupted_commands():
            self.publish_record(one.position, one.record, one.transaction, one.provenance)
        for position, device in self.post.devices.items():
            self._add(position, device)
        self._open_console()
        self._publish_state()
        self._tokens.start()
        log.info(
            "gateway_started",
            site=self.post.gateway.site,
            gateway=self.post.gateway.name,
            profile=self.post.gateway.profile,
            session=self.session,
            version=VERSION,
            count=len(self.devices),
        )

    async def stop(self) -> None:
        """Close the devices, deliver what can be delivered at once, disconnect."""
        log.info("gateway_stopping", session=self.session)
        self._clock_watch.stop()
        self._tokens.stop()
        self.commands.refuse_commands()
        await self.management.close_console()
        await asyncio.gather(*(device.stop() for device in self.devices.values()))
        await self._records.stop()
        self.commands.stop()
        await self.management.stop()
        await self._forkserver.close()
        await self.delivery.stop(DELIVERY_STOP_TIMEOUT_S)
        if self._lock is not None:
            self._lock.close()
        log.info("gateway_stopped", session=self.session)

    def publish_record(
        self,
        position: Position,
        observation: Observation,
        transaction: str,
        provenance: Provenance | None = None,
    ) -> None:
        """Store and send a record of the gateway itself, with the provenance of that position's device."""
        if provenance is None:
            device = self.devices.get(position)
            state = device.state_filter.published_state if device is not None else None
            provenance = (state is not None and state.provenance) or Provenance.LIVE
        self.management.write_audit(position, observation, transaction, provenance)
        writer = EnvelopeWriter(self.post.gateway.site, self.post.gateway.name, str(position))
        open_event = writer.write_partial_event(
            observation, current_moment(self._time), provenance, transaction
        )
        submission = PendingEvent(str(position), observation.event_type, observation.data_class, open_event)
        if self._deferred_records is None:
            self.delivery.submit(submission)
        else:
            self._deferred_records.append(submission)

    async def reload(self) -> None:
        """Load the configuration again and change only what differs; an invalid file changes nothing."""
        try:
            # In a thread: drivers of other packages are tried in processes, which takes time.
            post = await asyncio.to_thread(load, self.path, to_run=True)
            delivery_settings(post)
        except (ConfigError, OSError) as error:
            log.error("config_invalid", config=str(self.path), text=str(error))
            self._problems.add(
                "config_invalid",
                "The configuration on disk is invalid; the gateway keeps the previous one.",
                Action.CONFIGURE,
                f"borderpost config check {self.path}",
            )
            return
        self._problems.clear("config_invalid")
        if not self.post.gateway.is_named:  # a name takes effect at the next start, and devices need it
            post = post.model_copy(update={"devices": {}})
        changes = diff_config(self.post, post)
        if changes.restart:
            self._problems.add(
                "restart_needed",
                f"Changes of {', '.join(changes.restart)} take effect only at the next start.",
                Action.RESTART,
                "systemctl restart borderpost",
            )
        if post.gateway.profile != self.post.gateway.profile:
            # A gateway that runs in production must not apply settings that are allowed in training only.
            log.warning("config_needs_restart", config=str(self.path))
            return
        await self._apply(changes, post)
        log.info("config_reloaded", config=str(self.path), count=len(self.devices))

    async def _apply(self, changes: ConfigDiff, post: Post) -> None:
        # Settings that cannot change at run time keep their values until the restart.
        self.post = post.model_copy(update={name: getattr(self.post, name) for name in changes.restart})
        self._report_tolerated()
        for position in (*changes.removed, *changes.changed):
            self.management.admission.on_device_removed(str(position))
            await self.devices[position].stop()
            self.commands.revoke_claim(position)
            del self.devices[position]
        for position in changes.removed:
            self._clear_retained(position)
        if changes.commands:
            self._signatures.configure(post.signed_commands, post.roles)
            self.commands.configure(post.commands, post.roles)
            self.delivery.set_stations(post.roles.commanding_stations)
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
        """Reopen the outbox with new limits or destinations; devices are paused and lose nothing."""
        for device in self.devices.values():
            device.pause()
        self._clock_watch.stop()  # a clock step meanwhile is found by the difference that it leaves
        self._deferred_records = []
        await self.delivery.stop(DELIVERY_STOP_TIMEOUT_S)
        self.delivery = self._new_delivery()
        await self.delivery.start()
        held, self._deferred_records = self._deferred_records, None
        for submission in held:
            self.delivery.submit(submission)
        self._clock_watch.start()
        self.commands.republish_claims()
        for device in self.devices.values():
            device.republish()
            device.resume()

    def _add(self, position: Position, device: DeviceSettings) -> None:
        supervised = DeviceSupervisor(
            worker_spec(self.post, self.path, position, device, self._confinement),
            worker_limits(self.post),
            self._forkserver,
            self._device_listener,
            self.session,
            self._records,
            faulty_driver(device),
        )
        self.devices[position] = supervised
        self.delivery.publish_retained(self.topics.claim(position), None)  # of an earlier run
        supervised.start()
        self.management.admission.on_device_added(str(position))

    def _report_tolerated(self) -> None:
        """Report mistakes of the configuration that did not keep the gateway from starting."""
        self._problems.clear(CONFIG_PART_UNUSABLE)
        if self.post.tolerated:
            self._problems.add(
                CONFIG_PART_UNUSABLE,
                "Parts of the configuration cannot be used, and the gateway runs without them: "
                + "; ".join(f"{issue.subject}: {issue.text}" for issue in self.post.tolerated)
                + ".",
                Action.CONFIGURE,
                f"borderpost config check {self.path}",
            )

    def _open_console(self) -> None:
        """Open the sockets of the console. A failure becomes a problem and does not stop the devices."""
        self._problems.clear(CONSOLE_LISTEN_FAILED)
        try:
            self.management.open_console(self.post.console.listen)
        except OSError as error:
            log.error("console_listen_failed", exc_info=error)
            self._problems.add(
                CONSOLE_LISTEN_FAILED,
                f"The technicians' console cannot be opened: {error.strerror}.",
                Action.CONFIGURE,
                "Stop the program that listens there, or correct [console] listen; "
                "then systemctl reload borderpost.",
            )

    def _clear_retained(self, position: Position) -> None:
        """Clear a position's retained messages, so that no removed device is shown."""
        for topic in (self.topics.state(position), self.topics.description(position)):
            self.delivery.publish_retained(topic, None)

    def _clear_removed_positions(self) -> None:
        """Clear retained messages of devices removed from the configuration since an earlier run."""
        ours = {self.topics.gateway_state}
        for position in self.post.devices:
            ours |= {self.topics.state(position), self.topics.description(position)}
        for topic in self.delivery.retained_topics() - ours:
            self.delivery.publish_retained(topic, None)

    def _on_clock_change(self, change: ClockChange) -> None:
        """Record a step of the wall clock, so that readers can correct our times."""
        observation = ClockStepped(
            step_ms=change.step_ns // 1_000_000,
            clock_status=change.clock_status,
            first_synced=change.first_synced,
        )
        self.publish_record(self.topics.gateway_position, observation, str(uuid.uuid4()))
        self._publish_state()

    def to_report(self) -> GatewayReport:
        """Return the report of the gateway's own state."""
        return GatewayReport(
            version=VERSION,
            profile=self.post.gateway.profile,
            bootid=self._time.boot_id,
            clock=self._time.clock_status(),
            confinement=self._confinement.level,
            outbox_key=self.delivery.key_storage,
            epoch=self.delivery.epoch,
            since=to_rfc3339(self._started_unix_ns),
            events_dropped=self.delivery.dropped,
            images_dropped=self.delivery.images_dropped,
            destinations=self.delivery.destination_reports(),
            problems=(*self._problems.active(), *self.delivery.problems()),
        )

    def find_stuck_part(self, patience_s: float) -> str | None:
        """Return the name of a part that made no progress for `patience_s` seconds, for the watchdog.

        None: all did.
        """
        if (part := self.delivery.find_stuck_part(patience_s)) is not None:
            return part
        alone = (position for position, one in self.devices.items() if not one.is_alive(patience_s))
        return next((f"supervisor of {position}" for position in alone), None)

    def status_line(self) -> str:
        """Return one line for `systemctl status`."""
        online = sum(device.state_code is StateCode.ONLINE for device in self.devices.values())
        away = [each.name for each in self.delivery.destination_reports() if not each.connected]
        problems = len(self._problems.active()) + len(self.delivery.problems())
        named = f"{self.post.gateway.site}/{self.post.gateway.name}"
        return (
            f"{named}: {online} of {len(self.devices)} devices online"
            + (f"; no connection to {', '.join(away)}" if away else "")
            + (f"; {problems} problems: borderpost doctor" if problems else "")
        )

    def _publish_state(self) -> None:
        """Publish the state of the gateway itself."""
        state = GatewayState(online=True, session=self.session, report=self.to_report())
        self.delivery.publish_retained(self.topics.gateway_state, state.model_dump_json().encode())
        self.management.on_gateway_changed()
