"""Commands in a worker: validated, started before their deadline, one at a time, each answered once."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import replace

import structlog
from pydantic import ValidationError

from drivers.command import CommandArguments, CommandFailure, CommandRefusal, CommandSpec, Invocation
from drivers.driver import Driver
from drivers.links.link import LinkError
from drivers.links.settings import Settings
from gateway.contract.commands import CommandOutcome, CommandState, describe_wrong_fields
from gateway.contract.reason_codes import CommandReason

log = structlog.get_logger()

CANCEL_TIMEOUT_S = 1.0
"""Time for running commands to end when the device is lost, in seconds."""
ITERATIONS_BEFORE_RESULT = 3
"""Iterations of the event loop between the end of a command and its result."""


class CommandRunner:
    """Runs a driver's command methods beside its `watch`. Commands are refused while no driver is open."""

    def __init__(
        self,
        commands: Mapping[str, CommandSpec],
        position: str,
        send_result: Callable[[int, CommandOutcome], None],
    ) -> None:
        """Create a runner; `send_result` is called with a command's reference and its outcome."""
        self._commands = commands
        self._position = position
        self._send_result = send_result
        self._driver: Driver[Settings] | None = None
        self._running: dict[int, asyncio.Task[None]] = {}
        self._recordings: dict[int, asyncio.Future[bool]] = {}
        """Records of decisions that running commands may wait for."""
        self._exclusive_command: int | None = None
        """Reference of the running command that others wait for; urgent ones run beside it."""
        self._stopping = False

    def refuse_commands(self) -> None:
        """Refuse commands from now on, because the process is about to end."""
        self._stopping = True

    def on_opened(self, driver: Driver[Settings]) -> None:
        """Accept commands for this driver."""
        self._driver = driver

    def on_claim(self, holder: str | None) -> None:
        """Send the claim holder to the driver."""
        if self._driver is not None:
            self._driver.on_claim_changed(holder)

    def on_decision_recorded(self, command_ref: int, *, is_recorded: bool) -> None:
        """Note that the decision on a command is on the disk, or was refused by it."""
        recording = self._recordings.get(command_ref)
        if recording is not None and not recording.done():
            recording.set_result(is_recorded)

    async def on_closed(self) -> None:
        """Cancel running commands, and refuse new ones until a driver is open."""
        self._driver = None
        running = list(self._running.values())
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=CANCEL_TIMEOUT_S)
        for command_ref in list(self._running):  # a driver that does not react to cancellation
            self._finish(command_ref, self._cancelled_outcome())

    def start_command(self, command_ref: int, verb: str, call: Invocation, args: bytes) -> None:
        """Start a command, or refuse it at once."""
        command, driver = self._commands.get(verb), self._driver
        if self._stopping:
            self._send_result(command_ref, CommandOutcome.refused(CommandReason.STOPPING))
        elif command is None:
            self._send_result(command_ref, CommandOutcome.refused(CommandReason.UNKNOWN_VERB))
        elif driver is None:
            self._send_result(command_ref, CommandOutcome.refused(CommandReason.NOT_ONLINE))
        elif self._exclusive_command is not None and not command.is_urgent:
            self._send_result(command_ref, CommandOutcome.refused(CommandReason.BUSY))
        else:
            try:
                request = command.arguments_type.model_validate_json(args, strict=True)
            except ValidationError as error:
                if (without := _stop_without_arguments(command)) is not None:
                    self._start(command_ref, driver, command, without, call)
                    return
                self._send_result(
                    command_ref,
                    CommandOutcome.refused(
                        CommandReason.BAD_REQUEST, describe_wrong_fields(error, command.arguments_type)
                    ),
                )
                return
            self._start(command_ref, driver, command, request, call)

    def _start(
        self,
        command_ref: int,
        driver: Driver[Settings],
        command: CommandSpec,
        request: CommandArguments,
        call: Invocation,
    ) -> None:
        if not command.is_urgent:
            self._exclusive_command = command_ref
        if command.is_recorded_first:
            self._recordings[command_ref] = recorded = asyncio.get_running_loop().create_future()
            call = replace(call, recorded=recorded)
        task = asyncio.create_task(
            self._run(command_ref, driver, command, request, call), name=f"{self._position} {command.verb}"
        )
        self._running[command_ref] = task

    async def _run(
        self,
        command_ref: int,
        driver: Driver[Settings],
        command: CommandSpec,
        request: CommandArguments,
        call: Invocation,
    ) -> None:
        outcome = await self._execute(driver, command, request, call)
        # States that the driver has yielded by now go before the result, which is recorded with them.
        with contextlib.suppress(asyncio.CancelledError):
            for _ in range(ITERATIONS_BEFORE_RESULT):
                await asyncio.sleep(0)
        self._finish(command_ref, outcome)

    async def _execute(
        self, driver: Driver[Settings], command: CommandSpec, request: CommandArguments, call: Invocation
    ) -> CommandOutcome:
        if call.remaining_s <= 0:
            return CommandOutcome.refused(CommandReason.EXPIRED)
        try:
            done = await getattr(driver, command.method)(request, call)
            return CommandOutcome(CommandState.DONE, result=done.model_dump_json().encode())
        except CommandFailure as failed:
            known = b"" if failed.output is None else failed.output.model_dump_json().encode()
            return CommandOutcome.failed(CommandReason(failed.reason), failed.text, result=known)
        except CommandRefusal as refused:
            return CommandOutcome.refused(refused.reason, refused.text)
        except LinkError as error:
            return CommandOutcome.failed(CommandReason.LINK_FAILED, error.text, error.how)
        except asyncio.CancelledError:
            return self._cancelled_outcome()
        except Exception as error:
            log.error("command_error", device=self._position, verb=command.verb, exc_info=error)
            return CommandOutcome.failed(CommandReason.DRIVER_ERROR)

    def _cancelled_outcome(self) -> CommandOutcome:
        return CommandOutcome.failed(CommandReason.STOPPING if self._stopping else CommandReason.LINK_FAILED)

    def _finish(self, command_ref: int, outcome: CommandOutcome) -> None:
        self._recordings.pop(command_ref, None)
        if self._running.pop(command_ref, None) is None:
            return
        if self._exclusive_command == command_ref:
            self._exclusive_command = None
        self._send_result(command_ref, outcome)


def _stop_without_arguments(command: CommandSpec) -> CommandArguments | None:
    """Return the default arguments of a stop of a machine: it is executed whatever its arguments are."""
    if not (command.is_urgent and command.is_movement):
        return None
    try:
        return command.arguments_type()
    except ValidationError:
        return None
