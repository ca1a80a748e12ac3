"""One scenario with a broker, simulated devices and a gateway of its own, all of which end with it."""

import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gateway.cli._lib.interrupts import Interrupted, Interrupts
from gateway.cli._lib.post_file import load_or_fail
from gateway.cli._lib.terminal import exit_with
from gateway.cli._lib.workstation import Login, make_workstation
from gateway.cli._scenario.player import Player, StepOutcome, StepResult
from gateway.cli._scenario.scenario import Scenario
from gateway.config import Post
from gateway.testing.post.brokers import held_ports, loopback_broker
from gateway.testing.post.devices import (
    SERVICES,
    port_variables,
    require_short,
    simulated_devices,
    wait_for_devices,
    write_resolved,
)
from gateway.testing.post.programs import Program, running

CONTROL_SOCKET = "simulators.sock"


@dataclass
class ScenarioResult:
    """Result of one scenario."""

    title: str
    steps: list[StepResult] = field(default_factory=list)
    events: dict[str, list[str]] = field(default_factory=dict)
    """Types of the events of each position; see `Player.events`."""
    disturbed: list[str] = field(default_factory=list)
    """Positions whose link the machine has disturbed; see `Player.disturbed`."""
    error: str = ""
    """Why the post did not run to the end; empty if it did."""

    @property
    def passed(self) -> bool:
        """True if every step passed."""
        return not self.error and all(step.outcome is StepOutcome.PASSED for step in self.steps)


def run_scenario(
    scenario: Scenario, interrupts: Interrupts, on_step: Callable[[StepResult], None]
) -> ScenarioResult:
    """Run one scenario; raises Interrupted and PostError, when all its programs have ended."""
    interrupts.check()
    with (
        tempfile.TemporaryDirectory(prefix="borderpost-scenario-") as folder,
        held_ports(len(SERVICES)) as ports,
    ):
        run_dir = Path(folder)
        require_short(run_dir)
        environment = port_variables(folder, ports)
        os.environ.update(environment)
        with (
            simulated_devices(scenario.simulated, run_dir, interrupts.check) as (devices, ready),
            loopback_broker(run_dir) as (_, broker_port),
        ):
            interrupts.check()
            environment["BORDERPOST_MQTT_PORT"] = os.environ["BORDERPOST_MQTT_PORT"] = str(broker_port)
            described = load_or_fail(scenario.post)
            if described.gateway.profile == "production":
                exit_with(
                    f"{scenario.post} has the profile production: scenarios run only posts for training or "
                    "test",
                    os.EX_NOPERM,
                )
            interrupts.check()
            write_resolved(scenario.post, run_dir / "post.toml", environment)
            if not wait_for_devices(ready, interrupts.check):
                return ScenarioResult(scenario.title, error=_ended(devices))
            daemon = [sys.executable, "-m", "gateway", str(run_dir / "post.toml")]
            with running("gateway.__main__", daemon, run_dir) as gateway:
                result = asyncio.run(
                    _play(scenario, described, run_dir, interrupts, (gateway, devices), on_step)
                )
        interrupts.check()
        return result


async def _play(
    scenario: Scenario,
    post: Post,
    run_dir: Path,
    interrupts: Interrupts,
    programs: tuple[Program, ...],
    on_step: Callable[[StepResult], None],
) -> ScenarioResult:
    """Play until the last step, a request to end, or the end of a program; raises Interrupted."""
    loop, ending = asyncio.get_running_loop(), asyncio.Event()
    workstation = make_workstation(post, login=Login(station=scenario.station), on_problem=lambda _: None)
    result = ScenarioResult(scenario.title)
    async with contextlib.AsyncExitStack() as stack:
        for program in programs:
            descriptor = os.pidfd_open(program.process.pid)
            stack.callback(os.close, descriptor)
            loop.add_reader(descriptor, ending.set)
            stack.callback(loop.remove_reader, descriptor)
        interrupts.on_request(lambda: loop.call_soon_threadsafe(ending.set))
        stack.callback(interrupts.on_request, lambda: None)
        await stack.enter_async_context(workstation)
        player = Player(workstation, run_dir / CONTROL_SOCKET)
        tasks = [
            asyncio.create_task(player.play(scenario, on_step)),
            asyncio.create_task(player.listen()),
            asyncio.create_task(ending.wait()),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks[1:] if tasks[0].done() else tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        result.events, result.disturbed = player.events, sorted(player.disturbed)
    if interrupts.requested:
        raise Interrupted
    ended = next((program for program in programs if program.process.poll() is not None), None)
    if ended is not None:
        result.error = _ended(ended)
    elif not tasks[0].cancelled():
        result.steps = tasks[0].result()  # type: ignore[assignment]
    else:
        tasks[1].result()
    return result


def _ended(program: Program) -> str:
    code = program.process.wait()
    return f"{program.name} ended by itself with exit code {code}:\n{program.last_words}"
