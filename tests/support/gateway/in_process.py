"""A gateway in the test's own process, and somebody at its bench: both ends of the intercom."""

import contextlib
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.brokers.mosquitto import Mosquitto
from support.gateway.gateways import House, until
from support.gateway.workers import PLUGINS
from support.process import daemons

from gateway.api.client import Intercom
from gateway.api.models import DeviceView
from gateway.api.operations import Standing, Who
from gateway.config import load
from gateway.contract.topics import Position
from gateway.gateway import Gateway
from gateway.management.api_server import Bench
from gateway.management.console_launcher import attended
from gateway.management.device_registry import Counted
from gateway.supervision.forkserver_client import Nursery
from gateway.supervision.supervisor import Supervised

AMINA = Who(name="amina", standing=Standing.SUPERVISOR, via="socket")
TECHNICIAN = Who(name="otieno", standing=Standing.TECHNICIAN, via="socket")
VIEWER = Who(name="wangari", standing=Standing.VIEWER, via="network")


@dataclass
class Workplace:
    """A post whose gateway runs here; `desk` is what its console has."""

    house: House
    gateway: Gateway
    desk: Intercom

    async def device(self, position: str) -> DeviceView:
        """How a device is now."""
        return next(each for each in (await self.desk.view()).devices if each.position == position)

    def device_at(self, position: str) -> Supervised:
        """The device itself."""
        device = self.gateway.device(Position.parse(position))
        assert device is not None
        return device

    def counted(self, position: str) -> Counted:
        """What has been counted of it in its life."""
        return self.gateway.technicians.admission.entry(self.device_at(position)).lifetime

    async def until_state(self, position: str, state: str) -> DeviceView:
        """Wait until a device is in that state."""
        device = self.device_at(position)
        await until(lambda: device.state is not None and device.state.state == state)
        return await self.device(position)


@contextlib.asynccontextmanager
async def working(house: House, *drivers: str) -> AsyncIterator[Workplace]:
    """Run the gateway of a post that is described already."""
    nursery = Nursery([*drivers], "error")
    nursery._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    nursery._channel.setblocking(False)
    with theirs:
        nursery._process = daemons.nursery(theirs, [*drivers], "error")  # type: ignore[assignment]
    gateway = Gateway(load(house.config), house.config, nursery)
    ours, theirs = socket.socketpair()
    try:
        await gateway.start()
        bench = Bench(gateway, gateway.technicians.admission)
        gateway.technicians._bench = bench
        async with attended(bench, theirs):
            desk = await Intercom.on(ours.detach())
            yield Workplace(house, gateway, desk)
            desk.close()
    finally:
        await gateway.stop()


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drivers of the tests are found here and in the processes that come of this one."""
    monkeypatch.setenv("PYTHONPATH", str(PLUGINS))
    monkeypatch.setattr(sys, "path", [*sys.path, str(PLUGINS)])


@contextlib.asynccontextmanager
async def a_house(folder: Path, broker: Mosquitto) -> AsyncIterator[House]:
    """A post without a process of its own."""
    house = House(folder, broker)
    try:
        yield house
    finally:
        await house.stack.aclose()
