"""`borderpost demo`: a broker, a simulated post, the real daemon, and its events on the screen."""

import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from gateway.cli._demo.running_demo import published
from gateway.cli._lib.interrupts import Interrupted, Interrupts
from gateway.cli._lib.terminal import console, exit_with, require_simulators
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
from gateway.testing.post.programs import Program, running

if TYPE_CHECKING:
    from gateway.cli._demo.screen import Screen
    from gateway.config import Post

FILES = Path(__file__).parent / "demo_files"
"""The demo's post, its simulated devices and its role file.

Installed with the package, maintained in config/.
"""
PORT = 18830
"""Default port of a demo's broker, which the README's examples name."""
START_S = 20.0
"""Seconds to wait for every device to be online before `duration` begins: one of them may never be."""


def demo(
    duration: Annotated[
        float | None,
        typer.Option(min=1, help="End by itself this many seconds after every device is online."),
    ] = None,
    config: Annotated[Path, typer.Option(help="The file that describes the post.")] = FILES / "demo.toml",
    post: Annotated[Path, typer.Option(help="The file that describes the simulated devices.")] = FILES
    / "demo-post.toml",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the broker, if it is free; 0: any free port.")
    ] = PORT,
) -> None:
    """Run broker, simulated post and gateway on this machine, without root, and show their events.

    While it runs, `borderpost devices`, `watch`, `doctor` and others find it without CONFIG.

    Exit codes: 0 after Ctrl-C, at any moment; with --duration, 1 if a device of the post published nothing.
    """
    require_simulators()
    with Interrupts() as interrupts:
        try:
            code = _run(interrupts, duration, config, post, port)
        except Interrupted:
            code = os.EX_OK
        except PostError as error:
            exit_with(str(error), error.exit_code)
    raise typer.Exit(code)


def _run(interrupts: Interrupts, duration: float | None, config: Path, post: Path, port: int) -> int:
    interrupts.check()
    console.print("Starting a broker, simulated devices and the gateway ...", style="dim")
    with (
        tempfile.TemporaryDirectory(prefix="borderpost-demo-") as folder,
        held_ports(len(SERVICES)) as ports,
    ):
        run_dir = Path(folder)
        require_short(run_dir)
        described_by = run_dir / "post.toml"
        environment = port_variables(folder, ports)
        os.environ.update(environment)
        with (
            published(described_by) as findable,
            # The simulators first: they take longest, and load while the broker and this program load.
            simulated_devices(post, run_dir, interrupts.check) as (devices, ready),
            loopback_broker(run_dir, port if findable else 0) as (broker, broker_port),
        ):
            environment["BORDERPOST_MQTT_PORT"] = os.environ["BORDERPOST_MQTT_PORT"] = str(broker_port)
            from gateway.cli._demo.screen import Screen
            from gateway.cli._lib.post_file import load_or_fail

            described = load_or_fail(config)
            if described.gateway.profile == "production":
                exit_with(
                    f"{config} has the profile production: the demo runs only posts for training or test",
                    os.EX_NOPERM,
                )
            write_resolved(config, described_by, environment)
            screen = Screen(described, f"{broker}, 127.0.0.1:{broker_port}", described_by, findable=findable)
            if not wait_for_devices(ready, interrupts.check):
                return _ended(devices)
            daemon = [sys.executable, "-m", "gateway", str(described_by)]
            with running("gateway.__main__", daemon, run_dir) as gateway:
                serving = _serve(screen, post, run_dir, broker_port)
                failed = asyncio.run(_watch(screen, interrupts, duration, (gateway, devices), serving))
                if failed is not None:
                    return _ended(failed)
        silent = screen.summary()
        return 1 if silent and not interrupts.requested else 0


async def _watch(
    screen: "Screen",
    interrupts: Interrupts,
    duration: float | None,
    programs: tuple[Program, ...],
    serving: contextlib.AbstractAsyncContextManager[None],
) -> Program | None:
    """Show the post's events until the demo ends; returns the program that ended by itself, if any."""
    loop = asyncio.get_running_loop()
    ending = asyncio.Event()
    interrupts.on_request(lambda: loop.call_soon_threadsafe(ending.set))
    descriptors = [os.pidfd_open(program.process.pid) for program in programs]
    for descriptor in descriptors:
        loop.add_reader(descriptor, ending.set)
    if duration is not None:
        loop.call_later(START_S + duration, ending.set)
    watching = asyncio.create_task(screen.watch(duration, ending.set))
    ended = asyncio.create_task(ending.wait())
    try:
        async with serving:
            await asyncio.wait({ended, watching}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        interrupts.on_request(lambda: None)
        for task in (watching, ended):
            task.cancel()
        await asyncio.gather(watching, ended, return_exceptions=True)
        for descriptor in descriptors:
            loop.remove_reader(descriptor)
            os.close(descriptor)
    if not watching.cancelled():
        watching.result()  # This raises the task's error.
    return next((program for program in programs if program.process.poll() is not None), None)


@contextlib.asynccontextmanager
async def _serve(screen: "Screen", post: Path, run_dir: Path, broker_port: int) -> AsyncIterator[None]:
    """Let travellers come, and the counter page reach the broker."""
    from gateway.cli._demo.lane_travellers import LaneTravellers, unscheduled_readers

    coming: list[asyncio.Task[None]] = []
    for reader in unscheduled_readers(post):
        travellers = LaneTravellers(reader, run_dir / "simulators.sock", screen.is_taken)
        screen.listeners.append(travellers.on_event)
        coming.append(asyncio.create_task(travellers.run()))
    try:
        async with _counter_page(screen.post, broker_port):
            yield
    finally:
        for task in coming:
            task.cancel()
        await asyncio.gather(*coming, return_exceptions=True)


def _counter_page(post: "Post", broker_port: int) -> contextlib.AbstractAsyncContextManager[None]:
    """Let the counter page reach the broker, if the post has one and the library is installed."""
    if post.counter is None or post.console.listen is None:
        return contextlib.nullcontext()
    try:
        from gateway.cli._demo.websocket_bridge import websocket_bridge
    except ImportError:
        return contextlib.nullcontext()
    port = urlsplit(post.counter.broker).port
    return (
        contextlib.nullcontext() if port is None else websocket_bridge(port, broker_port, post.console.listen)
    )


def _ended(program: Program) -> int:
    console.print(program.last_words, markup=False)
    console.print(f"[red]{program.name} ended by itself with exit code {program.process.wait()}[/]")
    return os.EX_SOFTWARE
