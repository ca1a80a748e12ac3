"""A simulated post of its own for a process of tests: broker, devices and gateway, all ended with it."""

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.client import Workstation
from gateway.config import Post, load
from gateway.testing.post.brokers import held_ports, loopback_broker
from gateway.testing.post.devices import (
    SERVICES,
    port_variables,
    require_short,
    simulated_devices,
    wait_for_devices,
    write_resolved,
)
from gateway.testing.post.errors import PostError
from gateway.testing.post.loop_thread import LoopThread
from gateway.testing.post.programs import Program, running
from gateway.testing.post.settling import Settling
from simulators.control import SOCKET_NAME

LANE_FILES = Path(__file__).parent / "lane_files"
"""One lane with a reader, a scanner, a camera and a barrier; also of the scenarios in config/."""
USABLE_S = 60.0
"""Time for every device to be usable, in seconds."""


@dataclass(frozen=True)
class PostFiles:
    """Files of a post: of its gateway and of its simulated devices.

    In both, `${BORDERPOST_RUN}` is the folder of the run, and `${BORDERPOST_MQTT_PORT}` and so on its ports.
    """

    post: Path = LANE_FILES / "lane.toml"
    simulated: Path = LANE_FILES / "lane-simulated.toml"
    station: str = "officer"
    """Station of the role file as which tests send commands."""


@dataclass(frozen=True)
class RunningPost:
    """A post that runs."""

    described: Post
    folder: Path
    station: str
    loop: LoopThread
    settling: Settling
    started_in_s: float
    """Time until every device was usable, in seconds."""

    @property
    def control_socket(self) -> Path:
        """Control socket of the simulated devices."""
        return self.folder / SOCKET_NAME

    def workstation(self, station: str | None = None) -> Workstation:
        """Return a workstation at the post, not connected yet."""
        return workstation_at(self.described, station or self.station)


@contextlib.contextmanager
def run_post(files: PostFiles) -> Iterator[RunningPost]:
    """Run a post while the context lasts; raises PostError, ConfigError."""
    began_s = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="borderpost-test-") as name,
        held_ports(len(SERVICES)) as ports,
        contextlib.ExitStack() as stack,
    ):
        folder = Path(name)
        require_short(folder)
        _, broker_port = stack.enter_context(loopback_broker(folder))
        environment = port_variables(name, ports) | {"BORDERPOST_MQTT_PORT": str(broker_port)}
        devices, ready = stack.enter_context(
            simulated_devices(files.simulated, folder, environment=environment)
        )
        resolved = folder / "post.toml"
        write_resolved(files.post, resolved, environment)
        gate, gateway = stack.enter_context(_loading_gateway(resolved, folder))
        described = load(resolved)
        if described.gateway.profile == "production":
            raise PostError(f"{files.post} has the profile production: tests use training or test.")
        loop = stack.enter_context(LoopThread())
        monitor = workstation_at(described, files.station)
        loop.run(monitor.__aenter__())
        stack.callback(lambda: loop.run(monitor.__aexit__(None, None, None)))
        if not wait_for_devices(ready):
            raise _ended(devices)
        os.write(gate, b"\n")
        settling = Settling(monitor, [str(one) for one in described.devices], folder / SOCKET_NAME)
        _wait_usable(loop, settling, (devices, gateway))
        yield RunningPost(
            described, folder, files.station, loop, settling, started_in_s=time.monotonic() - began_s
        )


def workstation_at(described: Post, station: str) -> Workstation:
    """Return a workstation at the broker of a post, not connected yet."""
    return Workstation(
        described.broker.host,
        described.broker.port,
        site=described.gateway.site,
        station=station,
        training=described.gateway.profile == "training",
        on_problem=lambda _: None,  # the broker is the post's own, and its gateway may still be loading
    )


@contextlib.contextmanager
def _loading_gateway(config: Path, folder: Path) -> Iterator[tuple[int, Program]]:
    """Run a gateway that waits for a byte at the yielded descriptor when it has loaded."""
    theirs, ours = os.pipe()
    command = [sys.executable, "-m", "gateway.testing.post.daemon", str(theirs), str(config)]
    try:
        with contextlib.ExitStack() as stack:
            try:
                program = stack.enter_context(running("gateway.__main__", command, folder, (theirs,)))
            finally:
                os.close(theirs)
            yield ours, program
    finally:
        os.close(ours)


def _wait_usable(loop: LoopThread, settling: Settling, programs: tuple[Program, ...]) -> None:
    """Wait until every device is usable; raises PostError if a program ends, or if it takes too long."""
    deadline_s = time.monotonic() + USABLE_S
    while waiting := loop.run(settling.until_usable(0.2)):
        if ended := next((one for one in programs if one.process.poll() is not None), None):
            raise _ended(ended)
        if time.monotonic() > deadline_s:
            causes = loop.call(settling.causes, waiting)
            raise PostError(f"Not usable after {USABLE_S:g} s: {causes}")


def _ended(program: Program) -> PostError:
    code = program.process.wait()
    return PostError(f"{program.name} ended by itself with exit code {code}:\n{program.last_words}")
