"""A gateway in the test's own process, and a client of its management API."""

import contextlib
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.brokers.mosquitto import Mosquitto
from support.gateway.gateways import GatewayFixture, until
from support.gateway.workers import PLUGINS
from support.process import daemons

from gateway.api.client import DaemonClient
from gateway.api.models import DeviceView
from gateway.api.operations import Actor, UserRole
from gateway.config import load
from gateway.contract.topics import Position
from gateway.gateway import Gateway
from gateway.management.api_server import ManagementApi
from gateway.management.console_launcher import serve_api
from gateway.management.device_registry import DeviceCounters
from gateway.supervision.supervisor import DeviceSupervisor

AMINA = Actor(name="amina", role=UserRole.SUPERVISOR, channel="socket")
TECHNICIAN = Actor(name="otieno", role=UserRole.TECHNICIAN, channel="socket")
VIEWER = Actor(name="wangari", role=UserRole.VIEWER, channel="network")


@dataclass
class InProcessGateway:
    """A gateway that runs here, and the client that its console has."""

    fixture: GatewayFixture
    gateway: Gateway
    client: DaemonClient

    async def device(self, position: str) -> DeviceView:
        """Return the view of a device."""
        return next(each for each in (await self.client.view()).devices if each.position == position)

    def device_at(self, position: str) -> DeviceSupervisor:
        """Return the supervisor of a device."""
        device = self.gateway.devices.get(Position.parse(position))
        assert device is not None
        return device

    def counted(self, position: str) -> DeviceCounters:
        """Return the lifetime counters of a device."""
        return self.gateway.management.admission.serial_number_entry(self.device_at(position)).lifetime

    async def until_state(self, position: str, state: str) -> DeviceView:
        """Wait for a state of a device."""
        device = self.device_at(position)
        await until(
            lambda: (
                device.state_filter.published_state is not None
                and device.state_filter.published_state.state == state
            )
        )
        return await self.device(position)


@contextlib.asynccontextmanager
async def running_gateway(fixture: GatewayFixture, *drivers: str) -> AsyncIterator[InProcessGateway]:
    """Run the gateway of a configuration."""
    forkserver = daemons.forkserver_client(drivers, "error")
    gateway = Gateway(load(fixture.config), fixture.config, forkserver)
    ours, theirs = socket.socketpair()
    try:
        await gateway.start()
        api = ManagementApi(gateway, gateway.management.admission)
        gateway.management._api = api
        async with serve_api(api, theirs):
            client = await DaemonClient.connect(ours.detach())
            yield InProcessGateway(fixture, gateway, client)
            client.close()
    finally:
        await gateway.stop()


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the drivers of the tests available here and in child processes."""
    monkeypatch.setenv("PYTHONPATH", str(PLUGINS))
    monkeypatch.setattr(sys, "path", [*sys.path, str(PLUGINS)])


@contextlib.asynccontextmanager
async def gateway_in(folder: Path, broker: Mosquitto) -> AsyncIterator[GatewayFixture]:
    """Return a configuration and devices without a daemon process."""
    fixture = GatewayFixture(folder, broker)
    try:
        yield fixture
    finally:
        await fixture.stack.aclose()
