"""A workstation of any client library, as tests use it; and the Python library behind that interface."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from pydantic import BaseModel

from gateway.client import DeviceStatus, PreviewStream, ReceivedEvent, RejectedMessage, Workstation
from gateway.client.claims import HeldClaim
from gateway.pki.jws import Signer
from gateway.pki.keys import private_key, read_public_key
from support.brokers.mosquitto import Mosquitto
from support.patience import PATIENCE_S

READER = "lane-1/reader"


@dataclass(frozen=True)
class DeskOptions:
    """Options of a workstation, as every client has them."""

    positions: tuple[str, ...] | None = (READER,)
    site: str = "uto-test"
    client_id: str | None = None
    username: str | None = None
    password: str | None = None
    session_s: int = 300
    station: str | None = None
    training: bool = False
    signing_pem: str | None = None
    """Private key of the station, PEM."""
    verify: Mapping[str, tuple[str, ...]] | None = None
    """Public keys of each gateway, PEM or the base64 line of it."""
    vocabularies: tuple[Any, ...] = ()
    """Vocabularies of other vendors."""
    port: int | None = None
    """Another port than the broker's, such as that of a network in between."""


@dataclass(frozen=True)
class DeskEvent:
    """One event, as JSON."""

    position: str
    envelope: dict[str, Any]
    data: Any
    images: dict[str, bytes]
    is_simulated: bool
    at_s: float
    """Wall clock time at which the workstation handed it on."""

    @property
    def seq(self) -> int:
        return int(self.envelope["seq"])


@dataclass(frozen=True)
class DeskStatus:
    """Status of one device."""

    state: str | None
    gateway_online: bool
    is_usable: bool
    holder: str | None
    is_verified: bool
    is_described: bool


@dataclass(frozen=True)
class DeskView:
    """State of a workstation, and of one device and one last value at it."""

    is_connected: bool
    status: DeskStatus
    last: Any
    """Data of the last value; None without one."""
    is_last_verified: bool
    devices: list[str]
    gateways: list[str]
    discarded: dict[str, int]
    problem: tuple[str, str] | None
    """Text and remedy."""
    rejected: list[tuple[str, str | None, str]]
    """Kind, id of the event, and reason of each message that was not used for its signature."""


@dataclass(frozen=True)
class DeskResult:
    """A command that was done."""

    result: Any
    transaction: str | None
    is_verified: bool


class Desk(Protocol):
    """One workstation. Commands raise the errors of `gateway.client`, whatever the library."""

    async def connected(self) -> None: ...
    async def next_event(self) -> DeskEvent: ...
    async def next_events(self) -> list[DeskEvent]:
        """Return events that have come, at least one: fewer calls of a browser."""
        ...

    async def next_status(self) -> DeskStatus: ...
    async def view(self, position: str = READER, value: str | None = None) -> DeskView: ...
    async def command(
        self,
        position: str,
        verb: str,
        args: Mapping[str, Any] | None = None,
        *,
        expires_s: int = 3,
        timeout_s: float = 10,
        transaction: str | None = None,
    ) -> DeskResult: ...
    async def claim(self, position: str, *, lease_s: int = 30, steal: str | None = None) -> None: ...
    async def claim_lost(self) -> None: ...
    async def end_claim(self) -> None: ...
    async def preview(self, position: str, options: Mapping[str, Any]) -> None: ...
    async def next_picture(self) -> bytes | None: ...
    async def end_preview(self) -> None: ...
    async def close(self) -> None: ...


OpenDesk = Callable[..., Awaitable[Desk]]
"""Function that opens a workstation at the test's broker, by the fields of `DeskOptions`."""


async def next_events(desk: Desk, count: int) -> list[DeskEvent]:
    """Return the next events."""
    async with asyncio.timeout(PATIENCE_S):
        return [await desk.next_event() for _ in range(count)]


async def until_shown(
    desk: Desk,
    is_shown: Callable[[DeskView], object],
    position: str = READER,
    value: str | None = None,
    within_s: float = PATIENCE_S,
) -> DeskView:
    """Wait until a workstation shows something."""
    async with asyncio.timeout(within_s):
        while not is_shown(view := await desk.view(position, value)):
            await asyncio.sleep(0.01)
    return view


def as_json(data: Any) -> Any:
    return data.model_dump(mode="json") if isinstance(data, BaseModel) else data


@dataclass
class PythonDesk:
    """The Python client library."""

    workstation: Workstation
    rejected: list[RejectedMessage] = field(default_factory=list)
    _items: AsyncIterator[ReceivedEvent | DeviceStatus] | None = None
    _claim: HeldClaim | None = None
    _preview: PreviewStream | None = None

    @classmethod
    async def open(cls, broker: Mosquitto, options: DeskOptions) -> "PythonDesk":
        rejected: list[RejectedMessage] = []
        signer = None
        if options.signing_pem is not None:
            signer = Signer(private_key(options.signing_pem.encode()))  # type: ignore[arg-type]
        verify = options.verify and {
            name: [read_public_key(text.encode(), name) for text in texts]
            for name, texts in options.verify.items()
        }
        workstation = Workstation(
            broker.host,
            options.port or broker.port,
            site=options.site,
            positions=options.positions,
            client_id=options.client_id,
            username=options.username,
            password=options.password,
            session_s=options.session_s,
            station=options.station,
            training=options.training,
            signing_key=signer,
            verify=verify,  # type: ignore[arg-type]
            on_rejected=rejected.append,
            on_problem=lambda _: None,
        )
        desk = cls(await workstation.__aenter__(), rejected)
        desk._items = workstation.events_and_status()
        return desk

    async def connected(self) -> None:
        await self.workstation.connected_event.wait()

    async def next_event(self) -> DeskEvent:
        assert self._items is not None
        async for item in self._items:
            if isinstance(item, ReceivedEvent):
                position, at_s = str(item.position), time.time()
                envelope = item.envelope.model_dump(mode="json", exclude={"data"})
                data = as_json(item.data)
                return DeskEvent(position, envelope, data, item.images, item.is_simulated, at_s)
        raise AssertionError("the workstation has ended")

    async def next_events(self) -> list[DeskEvent]:
        return [await self.next_event()]

    async def next_status(self) -> DeskStatus:
        assert self._items is not None
        async for item in self._items:
            if isinstance(item, DeviceStatus) and item.state is not None:
                return _status(item)
        raise AssertionError("the workstation has ended")

    async def view(self, position: str = READER, value: str | None = None) -> DeskView:
        desk = self.workstation
        last = None if value is None else desk.last_value(position, value)
        return DeskView(
            is_connected=desk.connected_event.is_set(),
            status=_status(desk.status(position)),
            last=None if last is None else as_json(last.data),
            is_last_verified=last is not None and last.is_verified,
            devices=[str(each) for each in desk.devices],
            gateways=list(desk.gateways),
            discarded=asdict(desk.discarded),
            problem=None if desk.problem is None else (desk.problem.text, desk.problem.how),
            rejected=[(each.kind, each.event_id, each.text) for each in self.rejected],
        )

    async def command(
        self, position: str, verb: str, args: Mapping[str, Any] | None = None, **options: Any
    ) -> DeskResult:
        done = await self.workstation.command(position, verb, args, **options)
        return DeskResult(as_json(done.result), done.transaction, done.is_verified)

    async def claim(self, position: str, *, lease_s: int = 30, steal: str | None = None) -> None:
        self._claim = await self.workstation.claim(position, lease_s=lease_s, steal=steal).__aenter__()

    async def claim_lost(self) -> None:
        assert self._claim is not None
        await self._claim.lost_event.wait()

    async def end_claim(self) -> None:
        if self._claim is not None:
            claim, self._claim = self._claim, None
            await claim.__aexit__(None, None, None)

    async def preview(self, position: str, options: Mapping[str, Any]) -> None:
        self._preview = await self.workstation.preview(position, **options).__aenter__()

    async def next_picture(self) -> bytes | None:
        assert self._preview is not None
        return await anext(self._preview, None)

    async def end_preview(self) -> None:
        if self._preview is not None:
            preview, self._preview = self._preview, None
            await preview.__aexit__(None, None, None)

    async def close(self) -> None:
        await self.end_preview()
        await self.end_claim()
        await self.workstation.__aexit__(None, None, None)


def _status(status: DeviceStatus) -> DeskStatus:
    return DeskStatus(
        state=None if status.state is None else str(status.state.state),
        gateway_online=status.gateway_online,
        is_usable=status.is_usable,
        holder=None if status.claim is None else status.claim.holder,
        is_verified=status.is_verified,
        is_described=status.description is not None,
    )
