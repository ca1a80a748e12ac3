"""Management API: requests of the console and their responses. Created at the first request."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any, Protocol

import structlog
from pydantic import TypeAdapter, ValidationError

from drivers.driver import Family
from drivers.observation import Observation
from drivers.self_test import SelfTestLevel, SelfTestReport, SelfTestStep
from gateway.api.models import LiveUpdate, PostView
from gateway.api.operations import (
    REQUIRED_ROLES,
    AcceptDevice,
    Actor,
    Maintenance,
    ManagementOperation,
    RecordTest,
    Replug,
    ResetCounters,
    Restart,
    RevealTrace,
    RevokeClaim,
)
from gateway.commands.dispatcher import CommandDispatcher
from gateway.common.clock import SystemTime
from gateway.config import Post
from gateway.contract.events import TechnicianOperation, TechnicianOperationPerformed
from gateway.contract.states import GatewayReport
from gateway.contract.topics import Position
from gateway.ipc.rpc import BoundedStream, RpcError
from gateway.management.admission import Admission
from gateway.management.latency import LatencyTracker
from gateway.management.views import device_view, utc_now
from gateway.supervision.supervisor import DeviceSupervisor

log = structlog.get_logger()

RESUBSCRIBE_DELAY_S = 0.05
"""Delay before a worker that ended or refused is subscribed to again, in seconds."""
_OPERATION: TypeAdapter[ManagementOperation] = TypeAdapter(ManagementOperation)


class AckSource(Protocol):
    """Source of acknowledgements of the post's own broker."""

    def set_ack_listener(self, listener: Callable[[int], None] | None) -> None:
        """Call this with an event's receive time (boot clock, ns) at each PUBACK; None: no longer."""
        ...


class ManagementPort(Protocol):
    """Parts of the gateway that the management API uses."""

    @property
    def post(self) -> Post:
        """Present configuration."""
        ...

    @property
    def path(self) -> Path:
        """Path of the configuration."""
        ...

    @property
    def session(self) -> str:
        """Identifier of this run."""
        ...

    def to_report(self) -> GatewayReport:
        """Return the report of the gateway's own state."""
        ...

    @property
    def devices(self) -> Mapping[Position, DeviceSupervisor]:
        """Supervisors of the configured devices."""
        ...

    @property
    def commands(self) -> CommandDispatcher:
        """Dispatcher of MQTT commands, which holds the claims."""
        ...

    @property
    def delivery(self) -> AckSource:
        """Present delivery; a reload may replace it."""
        ...

    def publish_record(self, position: Position, observation: Observation, transaction: str) -> None:
        """Store and publish a record of the gateway at a position."""
        ...


class ManagementApi:
    """Daemon's side of `gateway.api.interface.DaemonInterface`. Belongs to the event loop."""

    def __init__(self, gateway: ManagementPort, admission: Admission) -> None:
        self._gateway = gateway
        self._admission = admission
        self._subscribers: list[BoundedStream] = []
        self._subscriptions: dict[str, tuple[DeviceSupervisor, asyncio.Task[None]]] = {}
        self._latency = LatencyTracker(self._push_event, SystemTime().boot_ns)

    async def close(self) -> None:
        """End all subscriptions."""
        for listener in self._subscribers:
            listener.close()
        await self._unsubscribe_all()

    # Requests

    def serve_request(self, head: dict[str, Any], body: bytes) -> AsyncGenerator[bytes]:
        """Serve a request of the console; raises RpcError."""
        match head["method"]:
            case "view":
                return single_chunk(self._view().model_dump_json().encode())
            case "last_events":
                return self._last_events(self._find_device(head["position"]))
            case "subscribe":
                return self._subscribe()
            case "trace":
                return self._trace(head["position"], read_actor(head), body)
            case "check":
                return self._check(head["position"], head["level"], read_actor(head))
            case "perform":
                return self._perform(head["position"], body, read_actor(head))
            case method:
                raise RpcError("unknown", f"The gateway has no method {method}.")

    def _view(self) -> PostView:
        gateway = self._gateway
        return PostView.model_validate(
            {
                "site": gateway.post.gateway.site,
                "gateway": gateway.post.gateway.name,
                "session": gateway.session,
                "at": utc_now(),
                "config": str(gateway.path),
                "report": gateway.to_report(),
                "devices": tuple(
                    device_view(settings, device, self._admission, gateway.commands.lease(position))
                    for position, settings in gateway.post.devices.items()
                    if (device := gateway.devices.get(position)) is not None
                ),
            }
        )

    async def _last_events(self, device: DeviceSupervisor) -> AsyncGenerator[bytes]:
        try:
            async with aclosing(device.stream("last_events")) as pieces:
                async for piece in pieces:
                    yield piece.body
                    return
        except RpcError:  # a process that is being replaced has no events
            yield b"[]"

    async def _trace(self, position: str, actor: Actor, body: bytes) -> AsyncGenerator[bytes]:
        device = self._find_device(position)
        reveal = read_model(RevealTrace, body) if body else None
        require_role("reveal" if reveal else "trace", actor)
        if reveal is not None:
            self._record_operation(position, actor, TechnicianOperation.TRACE_REVEAL, reason=reveal.reason)
        async with aclosing(device.stream("trace", reveal=reveal is not None)) as pieces:
            async for piece in pieces:
                yield piece.body

    async def _check(self, position: str, level: str, actor: Actor) -> AsyncGenerator[bytes]:
        device = self._find_device(position)
        require_role("check", actor)
        if level == SelfTestLevel.INTERACTIVE and device.driver.family is not Family.PASSPORT_READER:
            self._require_maintenance(position)
        self._record_operation(position, actor, TechnicianOperation.CHECK, detail=level)
        async with aclosing(device.stream("check", level=level)) as pieces:
            steps = [SelfTestStep.model_validate_json(piece.body) async for piece in pieces]
        report = SelfTestReport.model_validate(
            {"level": SelfTestLevel(level), "at": utc_now(), "steps": tuple(steps)}
        )
        log.info("device_checked", device=position, verb=level, state=report.outcome)
        yield report.model_dump_json().encode()

    def _require_maintenance(self, position: str) -> None:
        """Raise RpcError outside maintenance.

        A specimen document is recognisable, a technician's finger or card is not.
        """
        if self._admission.maintenance(position) is None:
            raise RpcError(
                "conflict",
                "A finger or card presented now would be sent to the counter as a traveller's.",
                "Start maintenance of the device first.",
            )

    # Operations

    async def _perform(self, position: str, body: bytes, actor: Actor) -> AsyncGenerator[bytes]:
        operation = read_operation(body)
        require_role(operation.operation, actor)
        device = self._find_device(position)
        # The user may close the page; an operation that has started is completed and recorded anyway.
        await asyncio.shield(
            asyncio.create_task(self._execute(position, device, operation, actor), name=operation.operation)
        )
        yield b"{}"

    async def _execute(
        self, position: str, device: DeviceSupervisor, operation: ManagementOperation, actor: Actor
    ) -> None:
        admission = self._admission
        match operation:
            case Restart():
                self._record_operation(position, actor, TechnicianOperation.RESTART)
                await device.restart()
            case Replug():
                if device.driver.family is Family.BARRIER and admission.maintenance(position) is None:
                    raise RpcError(
                        "conflict",
                        "A board without power opens its relays: the barrier may move.",
                        "Start maintenance of the device first, and keep people away from it.",
                    )
                self._record_operation(position, actor, TechnicianOperation.REPLUG, reason=operation.reason)
            case Maintenance(on=True):
                await admission.start_maintenance(position, operation.minutes, operation.reason)
                self._record_operation(
                    position,
                    actor,
                    TechnicianOperation.MAINTENANCE_ON,
                    detail=f"{operation.minutes} min",
                    reason=operation.reason,
                )
            case Maintenance():
                await admission.end_maintenance(position)
                self._record_operation(
                    position, actor, TechnicianOperation.MAINTENANCE_OFF, reason=operation.reason
                )
            case AcceptDevice():
                before = admission.accepted_serial_number(position)
                await admission.accept(position, operation.serial_number)
                self._record_operation(
                    position,
                    actor,
                    TechnicianOperation.ACCEPT,
                    detail=f"{operation.serial_number} for {before}",
                    reason=operation.reason,
                )
            case ResetCounters():
                await admission.reset_counters(position)
                self._record_operation(position, actor, TechnicianOperation.RESET_COUNTERS)
            case RevokeClaim():
                where = Position.parse(position)
                if (lease := self._gateway.commands.lease(where)) is None:
                    raise RpcError("conflict", "The device is not claimed.")
                self._record_operation(
                    position,
                    actor,
                    TechnicianOperation.REVOKE_CLAIM,
                    detail=lease.holder,
                    reason=operation.reason,
                )
                self._gateway.commands.revoke_claim(where)
            case RecordTest():
                require_role(
                    "commissioning" if operation.kind == "commissioning" else operation.operation, actor
                )
                await self._record_test(position, operation, actor)
            case RevealTrace():
                raise RpcError(
                    "conflict",
                    "A reveal is not an operation of its own.",
                    "Open the trace of the device with a reason.",
                )
        self.on_device_changed(position)

    async def _record_test(self, position: str, test: RecordTest, actor: Actor) -> None:
        """Store a test of the present configuration, and record its protocol."""
        settings = self._gateway.post.devices[Position.parse(position)].settings
        if self._find_device(position).driver.family is not Family.BARRIER:
            raise RpcError("conflict", "Only barriers have these tests.", "Run its self-test instead.")
        if settings.fingerprint() != test.configuration:
            raise RpcError(
                "conflict",
                "The device's configuration is not the tested one.",
                "Load the file (sudo systemctl reload borderpost), then repeat the test.",
            )
        await self._admission.record_test(
            position, test.kind, actor.name, test.configuration, passed=test.passed
        )
        steps = "; ".join(f"{step.name}: {'passed' if step.passed else 'FAILED'}" for step in test.steps)
        self._record_operation(
            position,
            actor,
            TechnicianOperation(test.kind),
            detail=f"{'passed' if test.passed else 'FAILED'}, configuration {test.configuration}: {steps}",
            reason=test.reason,
        )

    def _record_operation(
        self,
        position: str,
        actor: Actor,
        operation: TechnicianOperation,
        *,
        detail: str = "",
        reason: str = "",
    ) -> None:
        """Publish a record of an operation and its user."""
        log.info(
            "technician_operation",
            device=position,
            station=actor.name,
            verb=operation,
            state=actor.role.name.lower(),
        )
        acted = TechnicianOperationPerformed(
            user=actor.name,
            role=actor.role.name.lower(),
            channel=actor.channel,
            operation=operation,
            detail=detail,
            reason=reason,
        )
        self._gateway.publish_record(Position.parse(position), acted, str(uuid.uuid4()))

    def _find_device(self, position: str) -> DeviceSupervisor:
        try:
            device = self._gateway.devices.get(Position.parse(position))
        except ValueError:
            device = None
        if device is None:
            raise RpcError("unknown", f"There is no device at {position[:80]}.", "borderpost devices")
        return device

    # Updates

    async def _subscribe(self) -> AsyncGenerator[bytes]:
        listener = BoundedStream()
        self._subscribers.append(listener)
        self._subscribe_all()
        try:
            async for piece in listener:
                yield piece.body
        finally:
            self._subscribers.remove(listener)
            if not self._subscribers:
                await self._unsubscribe_all()

    def on_device_changed(self, position: str) -> None:
        """Push a device's state to subscribers."""
        if not self._subscribers:
            return
        self._subscribe_all()
        where = Position.parse(position)
        settings, device = self._gateway.post.devices.get(where), self._gateway.devices.get(where)
        if settings is not None and device is not None and device.state_filter.published_state is not None:
            view = device_view(settings, device, self._admission, self._gateway.commands.lease(where))
            self._push(LiveUpdate(kind="device", device=view).model_dump_json().encode())

    def on_gateway_changed(self) -> None:
        """Push a change of the gateway itself to subscribers."""
        if self._subscribers:
            self._push(LiveUpdate(kind="post").model_dump_json().encode())

    def _push(self, update: bytes) -> None:
        for listener in self._subscribers:
            listener.append(update)

    def _push_event(self, view: bytes, latency_ms: float | None) -> None:
        latency = b"" if latency_ms is None else b',"latency_ms":%.2f' % latency_ms
        self._push(b'{"kind":"event","event":' + view[:-1] + latency + b"}}")

    def _subscribe_all(self) -> None:
        """Subscribe to the events of every worker, and unsubscribe from workers that are gone."""
        self._gateway.delivery.set_ack_listener(self._latency.on_ack)
        for position, (device, task) in list(self._subscriptions.items()):
            if self._gateway.devices.get(Position.parse(position)) is not device:
                task.cancel()
                del self._subscriptions[position]
        for where in self._gateway.post.devices:
            serves = self._gateway.devices.get(where)
            if serves is not None and str(where) not in self._subscriptions:
                task = asyncio.create_task(self._subscribe_device(serves), name=f"follow {where}")
                self._subscriptions[str(where)] = serves, task

    async def _unsubscribe_all(self) -> None:
        self._gateway.delivery.set_ack_listener(None)
        self._latency.close()
        tasks = [task for _, task in self._subscriptions.values()]
        self._subscriptions.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _subscribe_device(self, device: DeviceSupervisor) -> None:
        while True:
            await device.wait_ready()
            try:
                async with aclosing(device.stream("subscribe_events")) as pieces:
                    async for piece in pieces:
                        self._latency.on_event(int.from_bytes(piece.body[:8]), piece.body[8:])
            except RpcError as refusal:
                log.debug("device_subscription_failed", device=device.spec.position, text=refusal.text)
            await asyncio.sleep(RESUBSCRIBE_DELAY_S)


async def single_chunk(body: bytes) -> AsyncGenerator[bytes]:
    """Yield a response of one chunk."""
    yield body


def read_actor(head: dict[str, Any]) -> Actor:
    """Return the user of a request."""
    return Actor.model_validate(head["by"])


def require_role(operation: str, actor: Actor) -> None:
    """Check that the user may perform an operation; raises RpcError."""
    needed = REQUIRED_ROLES[operation]
    if actor.role < needed:
        raise RpcError("not_permitted", f"That needs a {needed.name.lower()}.", "Ask a user with that role.")


def read_operation(body: bytes) -> ManagementOperation:
    """Parse an operation; raises RpcError."""
    try:
        return _OPERATION.validate_json(body)
    except ValidationError as error:
        raise RpcError("conflict", "The operation is unknown or has invalid fields.") from error


def read_model(model: type[RevealTrace], body: bytes) -> RevealTrace:
    """Parse the reason of a reveal; raises RpcError."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise RpcError("conflict", "A reason is required.") from error
