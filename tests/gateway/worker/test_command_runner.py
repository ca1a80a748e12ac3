"""Runner of a driver's commands, without a process around it: every outcome, and the order of commands."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.gateway.deliveries import until

from drivers import clock
from drivers.command import (
    CommandArguments,
    CommandFailure,
    CommandOutput,
    CommandRefusal,
    Invocation,
    RefusalReason,
    command,
)
from drivers.driver import Driver, Family, Identity
from drivers.links.factory import LinkFactory
from drivers.links.link import Action, Cause, LinkError
from drivers.links.settings import Settings
from gateway.contract.commands import CommandOutcome, CommandState
from gateway.contract.reason_codes import CommandReason
from gateway.worker import commands
from gateway.worker.commands import CommandRunner


class Speed(CommandArguments):
    """Arguments with one number."""

    speed: int = 1


class Reached(CommandOutput):
    """Result with one number."""

    speed: int


class Machine(Driver[Settings]):
    """A driver whose commands end as their test decides."""

    settings_model = Settings
    family = Family.BARRIER
    observation_types = ()

    def __init__(self) -> None:
        super().__init__(Settings(), LinkFactory())
        self.calls: list[tuple[str, Any, Invocation]] = []
        self.holders: list[str | None] = []
        self.failure: Exception | None = None
        self.release = asyncio.Event()

    async def open(self) -> Identity:
        return Identity()

    async def watch(self) -> AsyncIterator[Any]:
        yield None

    async def close(self) -> None:
        """Close nothing."""

    def on_claim_changed(self, holder: str | None) -> None:
        self.holders.append(holder)

    @command(is_movement=True)
    async def move(self, request: Speed, call: Invocation) -> Reached:
        self.calls.append(("move", request, call))
        await self.release.wait()
        if self.failure is not None:
            raise self.failure
        return Reached(speed=request.speed)

    @command(is_movement=True, is_urgent=True)
    async def stop(self, request: Speed, call: Invocation) -> CommandOutput:
        self.calls.append(("stop", request, call))
        return CommandOutput()


class RunnerFixture:
    """A runner with an open driver, and the results that it sends."""

    def __init__(self) -> None:
        self.results: list[tuple[int, CommandOutcome]] = []
        self.driver = Machine()
        self.runner = CommandRunner(
            Machine.commands, "lane-1/barrier", lambda ref, outcome: self.results.append((ref, outcome))
        )
        self.runner.on_opened(self.driver)

    def start(self, ref: int, verb: str = "move", args: bytes = b"{}", within_s: float = 30) -> Invocation:
        call = Invocation(f"c-{ref}", "counter-1", "t-1", clock.boot_ns() + round(within_s * 1e9))
        self.runner.start_command(ref, verb, call, args)
        return call

    async def result(self) -> tuple[int, CommandState, CommandReason | None]:
        await until(lambda: self.results)
        ((ref, outcome),) = self.results
        self.results.clear()
        return ref, outcome.state, outcome.reason


@pytest.fixture
async def machine() -> AsyncIterator[RunnerFixture]:
    made = RunnerFixture()
    yield made
    await made.runner.on_closed()


async def test_command_gets_its_arguments_and_result(machine: RunnerFixture) -> None:
    call = machine.start(7, args=b'{"speed": 3}')
    machine.driver.release.set()
    await until(lambda: machine.results)
    assert machine.driver.calls == [("move", Speed(speed=3), call)]
    assert machine.results == [(7, CommandOutcome(CommandState.DONE, result=b'{"speed":3}'))]


async def test_task_is_named_by_position_and_verb(machine: RunnerFixture) -> None:
    machine.start(1)
    assert "lane-1/barrier move" in {task.get_name() for task in asyncio.all_tasks()}


async def test_second_command_is_refused_as_busy(machine: RunnerFixture) -> None:
    machine.start(1)
    machine.start(2)
    assert await machine.result() == (2, CommandState.REJECTED, CommandReason.BUSY)
    machine.start(3, "stop")
    assert await machine.result() == (3, CommandState.DONE, None)
    machine.start(4)
    assert await machine.result() == (4, CommandState.REJECTED, CommandReason.BUSY), (
        "a stop ends no other command"
    )
    machine.driver.release.set()
    assert await machine.result() == (1, CommandState.DONE, None)
    machine.start(5)
    assert await machine.result() == (5, CommandState.DONE, None)


async def test_commands_are_refused_when_stopping(machine: RunnerFixture) -> None:
    machine.start(1)
    await until(lambda: machine.driver.calls)
    machine.runner.refuse_commands()
    machine.start(2, "stop")
    assert await machine.result() == (2, CommandState.REJECTED, CommandReason.STOPPING)
    await machine.runner.on_closed()
    assert await machine.result() == (1, CommandState.FAILED, CommandReason.STOPPING)


async def test_command_without_driver_is_refused(machine: RunnerFixture) -> None:
    machine.start(1)
    await until(lambda: machine.driver.calls)
    await machine.runner.on_closed()
    assert await machine.result() == (1, CommandState.FAILED, CommandReason.LINK_FAILED)
    machine.start(2)
    assert await machine.result() == (2, CommandState.REJECTED, CommandReason.NOT_ONLINE)
    machine.runner.on_claim("counter-1")
    assert machine.driver.holders == []
    machine.runner.on_opened(machine.driver)
    machine.runner.on_claim("counter-1")
    assert machine.driver.holders == ["counter-1"]
    machine.driver.release.set()
    machine.start(3)
    assert await machine.result() == (3, CommandState.DONE, None)


async def test_unknown_verb_and_wrong_arguments(machine: RunnerFixture) -> None:
    machine.start(1, "fly")
    assert await machine.result() == (1, CommandState.REJECTED, CommandReason.UNKNOWN_VERB)
    machine.start(2, args=b'{"speed": "3"}')
    assert await machine.result() == (2, CommandState.REJECTED, CommandReason.BAD_REQUEST)
    machine.start(3, "stop", args=b'{"speed": "3"}')
    assert await machine.result() == (3, CommandState.DONE, None), (
        "a stop is executed whatever its arguments are"
    )
    assert [(verb, request) for verb, request, _ in machine.driver.calls] == [("stop", Speed())]


async def test_late_command_is_not_started(machine: RunnerFixture) -> None:
    machine.start(1, within_s=-0.001)
    assert await machine.result() == (1, CommandState.EXPIRED, CommandReason.EXPIRED)
    assert machine.driver.calls == []


@pytest.mark.parametrize(("left_s", "state"), [(1e-9, CommandState.DONE), (0.0, CommandState.EXPIRED)])
async def test_command_starts_until_its_deadline(
    machine: RunnerFixture, monkeypatch: pytest.MonkeyPatch, left_s: float, state: CommandState
) -> None:
    """The clock stands still, so a busy machine cannot use up the nanosecond."""
    monkeypatch.setattr(clock, "boot_ns", lambda: 5_000_000_000)
    machine.driver.release.set()
    machine.start(1, within_s=left_s)
    ref, ended, _ = await machine.result()
    assert (ref, ended) == (1, state)


@pytest.mark.parametrize(
    ("failure", "state", "reason", "text"),
    [
        (
            CommandFailure(RefusalReason.TIMED_OUT, "late"),
            CommandState.FAILED,
            CommandReason.TIMED_OUT,
            "late",
        ),
        (CommandRefusal(RefusalReason.UNSAFE, "near"), CommandState.REJECTED, CommandReason.UNSAFE, "near"),
        (
            LinkError(Cause.LINK_FAILED, "lost", Action.RESTART, "wait"),
            CommandState.FAILED,
            CommandReason.LINK_FAILED,
            "lost",
        ),
    ],
)
async def test_failure_becomes_outcome(
    machine: RunnerFixture, failure: Exception, state: CommandState, reason: CommandReason, text: str
) -> None:
    machine.driver.failure = failure
    machine.driver.release.set()
    machine.start(1)
    await until(lambda: machine.results)
    ((ref, outcome),) = machine.results
    assert (ref, outcome.state, outcome.reason, outcome.text) == (1, state, reason, text)
    assert outcome.how


async def test_failure_passes_on_its_partial_result(machine: RunnerFixture) -> None:
    machine.driver.failure = CommandFailure(RefusalReason.TIMED_OUT, "late", Reached(speed=2))
    machine.driver.release.set()
    machine.start(1)
    await until(lambda: machine.results)
    ((_, outcome),) = machine.results
    assert (outcome.state, outcome.result) == (CommandState.FAILED, b'{"speed":2}')


async def test_driver_error_has_no_values(machine: RunnerFixture) -> None:
    machine.driver.failure = ValueError("THRUMWICKE")
    machine.driver.release.set()
    machine.start(1)
    await until(lambda: machine.results)
    ((_, outcome),) = machine.results
    assert (outcome.state, outcome.reason) == (CommandState.FAILED, CommandReason.DRIVER_ERROR)
    assert "THRUMWICKE" not in outcome.text + outcome.how


async def test_command_that_ignores_cancellation(
    machine: RunnerFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "CANCEL_TIMEOUT_S", 0.01)
    end = asyncio.Event()

    async def deaf(_request: Speed, _call: Invocation) -> CommandOutput:
        machine.driver.calls.append(("move", None, _call))
        while not end.is_set():
            try:
                await end.wait()
            except asyncio.CancelledError:
                continue
        return CommandOutput()

    monkeypatch.setattr(machine.driver, "move", deaf)
    machine.start(1)
    await until(lambda: machine.driver.calls)
    await machine.runner.on_closed()
    assert await machine.result() == (1, CommandState.FAILED, CommandReason.LINK_FAILED)
    end.set()
    await asyncio.sleep(0.01)
    assert machine.results == [], "each command has one result"
