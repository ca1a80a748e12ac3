"""What the console may ask of the daemon, and its answers. Made when somebody looks for the first time."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any, Protocol

import structlog
from pydantic import TypeAdapter, ValidationError

from drivers.driver import Family
from drivers.observation import Observation
from drivers.self_test import CheckLevel, CheckReport, CheckStep
from gateway.api.models import Live, PostView
from gateway.api.operations import (
    NEEDED,
    Accept,
    EndClaim,
    Maintenance,
    Order,
    ResetCounters,
    Restart,
    Reveal,
    Who,
)
from gateway.commands.claims import Lease
from gateway.common.clock import SystemTime
from gateway.config import Post
from gateway.contract.events import TechnicianActed, TechnicianOrder
from gateway.contract.states import GatewayReport
from gateway.contract.topics import Position
from gateway.ipc.rpc import Bounded, Refusal
from gateway.management.admission import Admission
from gateway.management.latency import Arrivals
from gateway.management.views import device_view, now
from gateway.supervision.supervisor import Supervised

log = structlog.get_logger()

AGAIN_S = 0.05
"""When a worker is asked again that has ended or would not answer, in seconds."""
_ORDER: TypeAdapter[Order] = TypeAdapter(Order)


class Gateway(Protocol):
    """What is needed of the rest of the gateway."""

    @property
    def post(self) -> Post:
        """What is configured."""
        ...

    @property
    def path(self) -> Path:
        """The file of that."""
        ...

    @property
    def session(self) -> str:
        """This run."""
        ...

    def report(self) -> GatewayReport:
        """What the gateway tells of itself."""
        ...

    def device(self, position: Position) -> Supervised | None:
        """What serves a position."""
        ...

    def lease(self, position: Position) -> Lease | None:
        """Who has claimed a device."""
        ...

    def end_claim(self, position: Position) -> None:
        """Take a device from the station that has claimed it."""
        ...

    def tell_arrivals(self, told: Callable[[int], None] | None) -> None:
        """Have it told when each event was heard that the post's broker has now; None: no longer."""
        ...

    def record(self, position: Position, observation: Observation, transaction: str) -> None:
        """Make durable what is said at a position."""
        ...


class Bench:
    """The daemon's end of `gateway.api.interface.Daemon`. Belongs to the event loop."""

    def __init__(self, gateway: Gateway, admission: Admission) -> None:
        self._gateway = gateway
        self._admission = admission
        self._listeners: list[Bounded] = []
        self._followed: dict[str, tuple[Supervised, asyncio.Task[None]]] = {}
        self._arrivals = Arrivals(self._tell_event, SystemTime().boot_ns)

    async def close(self) -> None:
        """Tell nobody anything any more."""
        for listener in self._listeners:
            listener.end()
        await self._follow_none()

    # Questions

    def answer(self, head: dict[str, Any], body: bytes) -> AsyncGenerator[bytes]:
        """Answer a question of the console's; raises Refusal."""
        match head["what"]:
            case "view":
                return _once(self._view().model_dump_json().encode())
            case "tail":
                return self._tail(self._find(head["position"]))
            case "live":
                return self._live()
            case "trace":
                return self._trace(head["position"], _who(head), body)
            case "check":
                return self._check(head["position"], head["level"], _who(head))
            case "obey":
                return self._obey(head["position"], body, _who(head))
            case what:
                raise Refusal("unknown", f"The gateway cannot answer {what}.")

    def _view(self) -> PostView:
        gateway = self._gateway
        return PostView.model_validate(
            {
                "site": gateway.post.gateway.site,
                "gateway": gateway.post.gateway.name,
                "session": gateway.session,
                "at": now(),
                "config": str(gateway.path),
                "report": gateway.report(),
                "devices": tuple(
                    device_view(settings, device, self._admission, gateway.lease(position))
                    for position, settings in gateway.post.devices.items()
                    if (device := gateway.device(position)) is not None
                ),
            }
        )

    async def _tail(self, device: Supervised) -> AsyncGenerator[bytes]:
        try:
            async with aclosing(device.ask("tail")) as pieces:
                async for piece in pieces:
                    yield piece.body
                    return
        except Refusal:  # a process that is just being replaced remembers nothing
            yield b"[]"

    async def _trace(self, position: str, by: Who, body: bytes) -> AsyncGenerator[bytes]:
        device = self._find(position)
        reveal = _read(Reveal, body) if body else None
        _permit("reveal" if reveal else "trace", by)
        if reveal is not None:
            self._note(position, by, TechnicianOrder.REVEAL, reason=reveal.reason)
        async with aclosing(device.ask("trace", reveal=reveal is not None)) as pieces:
            async for piece in pieces:
                yield piece.body

    async def _check(self, position: str, level: str, by: Who) -> AsyncGenerator[bytes]:
        device = self._find(position)
        _permit("check", by)
        if level == CheckLevel.INTERACTIVE and device.driver.family is not Family.PASSPORT_READER:
            self._refuse_unless_maintained(position)
        self._note(position, by, TechnicianOrder.CHECK, detail=level)
        async with aclosing(device.ask("check", level=level)) as pieces:
            steps = [CheckStep.model_validate_json(piece.body) async for piece in pieces]
        report = CheckReport.model_validate({"level": CheckLevel(level), "at": now(), "steps": tuple(steps)})
        log.info("device_checked", device=position, verb=level, state=report.outcome)
        yield report.model_dump_json().encode()

    def _refuse_unless_maintained(self, position: str) -> None:
        """A specimen document says that it is one; a technician's own finger or card does not."""
        if self._admission.maintenance(position) is None:
            raise Refusal(
                "conflict",
                "What is presented to it now would reach the counter as a traveller's.",
                "Take the device into maintenance first.",
            )

    # Orders

    async def _obey(self, position: str, body: bytes, by: Who) -> AsyncGenerator[bytes]:
        order = _read_order(body)
        _permit(order.do, by)
        device = self._find(position)
        # Who has asked may close his page; what has begun is done and recorded all the same.
        await asyncio.shield(asyncio.create_task(self._do(position, device, order, by), name=order.do))
        yield b"{}"

    async def _do(self, position: str, device: Supervised, order: Order, by: Who) -> None:
        admission = self._admission
        match order:
            case Restart():
                self._note(position, by, TechnicianOrder.RESTART)
                await device.restart()
            case Maintenance(on=True):
                await admission.maintain(position, order.minutes, order.reason)
                self._note(
                    position,
                    by,
                    TechnicianOrder.MAINTENANCE_ON,
                    detail=f"{order.minutes} min",
                    reason=order.reason,
                )
            case Maintenance():
                await admission.end_maintenance(position)
                self._note(position, by, TechnicianOrder.MAINTENANCE_OFF, reason=order.reason)
            case Accept():
                before = admission.accepted(position)
                await admission.accept(position, order.serial_number)
                self._note(
                    position,
                    by,
                    TechnicianOrder.ACCEPT,
                    detail=f"{order.serial_number} for {before}",
                    reason=order.reason,
                )
            case ResetCounters():
                await admission.reset_counters(position)
                self._note(position, by, TechnicianOrder.RESET_COUNTERS)
            case EndClaim():
                where = Position.parse(position)
                if (lease := self._gateway.lease(where)) is None:
                    raise Refusal("conflict", "Nobody has claimed the device.")
                self._note(position, by, TechnicianOrder.END_CLAIM, detail=lease.holder, reason=order.reason)
                self._gateway.end_claim(where)
            case Reveal():
                raise Refusal("conflict", "A wire is revealed by looking at it.", "Open its trace.")
        self.device_changed(position)

    def _note(
        self, position: str, by: Who, order: TechnicianOrder, *, detail: str = "", reason: str = ""
    ) -> None:
        """Make a record of who has asked for what."""
        log.info(
            "technician_acted", device=position, station=by.name, verb=order, state=by.standing.name.lower()
        )
        acted = TechnicianActed(
            who=by.name,
            standing=by.standing.name.lower(),
            via=by.via,
            order=order,
            detail=detail,
            reason=reason,
        )
        self._gateway.record(Position.parse(position), acted, str(uuid.uuid4()))

    def _find(self, position: str) -> Supervised:
        try:
            device = self._gateway.device(Position.parse(position))
        except ValueError:
            device = None
        if device is None:
            raise Refusal("unknown", f"There is no device at {position[:80]}.", "borderpost devices")
        return device

    # News

    async def _live(self) -> AsyncGenerator[bytes]:
        listener = Bounded()
        self._listeners.append(listener)
        self._follow_all()
        try:
            async for piece in listener:
                yield piece.body
        finally:
            self._listeners.remove(listener)
            if not self._listeners:
                await self._follow_none()

    def device_changed(self, position: str) -> None:
        """Tell whoever listens how a device is now."""
        if not self._listeners:
            return
        self._follow_all()
        where = Position.parse(position)
        settings, device = self._gateway.post.devices.get(where), self._gateway.device(where)
        if settings is not None and device is not None and device.state is not None:
            view = device_view(settings, device, self._admission, self._gateway.lease(where))
            self._tell(Live(kind="device", device=view).model_dump_json().encode())

    def gateway_changed(self) -> None:
        """Tell whoever listens that something of the gateway itself is different."""
        if self._listeners:
            self._tell(Live(kind="post").model_dump_json().encode())

    def _tell(self, news: bytes) -> None:
        for listener in self._listeners:
            listener.put(news)

    def _tell_event(self, view: bytes, took_ms: float | None) -> None:
        took = b"" if took_ms is None else b',"took_ms":%.2f' % took_ms
        self._tell(b'{"kind":"event","event":' + view[:-1] + took + b"}}")

    def _follow_all(self) -> None:
        """Have every worker say what it says; those that are gone, no longer."""
        self._gateway.tell_arrivals(self._arrivals.arrived)
        for position, (device, task) in list(self._followed.items()):
            if self._gateway.device(Position.parse(position)) is not device:
                task.cancel()
                del self._followed[position]
        for where in self._gateway.post.devices:
            serves = self._gateway.device(where)
            if serves is not None and str(where) not in self._followed:
                task = asyncio.create_task(self._follow(serves), name=f"follow {where}")
                self._followed[str(where)] = serves, task

    async def _follow_none(self) -> None:
        self._gateway.tell_arrivals(None)
        self._arrivals.close()
        tasks = [task for _, task in self._followed.values()]
        self._followed.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self, device: Supervised) -> None:
        while True:
            await device.served()
            try:
                async with aclosing(device.ask("watch")) as pieces:
                    async for piece in pieces:
                        self._arrivals.said(int.from_bytes(piece.body[:8]), piece.body[8:])
            except Refusal as refusal:
                log.debug("not_followed", device=device.order.position, text=refusal.text)
            await asyncio.sleep(AGAIN_S)


async def _once(body: bytes) -> AsyncGenerator[bytes]:
    yield body


def _who(head: dict[str, Any]) -> Who:
    return Who.model_validate(head["by"])


def _permit(order: str, by: Who) -> None:
    needed = NEEDED[order]
    if by.standing < needed:
        raise Refusal("not_permitted", f"That needs a {needed.name.lower()}.", "Ask one who is.")


def _read_order(body: bytes) -> Order:
    try:
        return _ORDER.validate_json(body)
    except ValidationError as error:
        raise Refusal("conflict", "This is no order that the gateway knows.") from error


def _read(model: type[Reveal], body: bytes) -> Reveal:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise Refusal("conflict", "A reason is needed.") from error
