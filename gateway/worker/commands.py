"""Commands inside a device's own process: validated, begun in time, one at a time, and each answered once."""

import asyncio
from collections.abc import Callable, Mapping

import structlog
from pydantic import ValidationError

from drivers.command import Call, Command, Failed, Refused, Request
from drivers.driver import Driver
from drivers.links.link import LinkError
from drivers.links.settings import Settings
from gateway.contract.commands import CommandState, Outcome, wrong_fields
from gateway.contract.reason_codes import CommandReason

log = structlog.get_logger()

CALL_OFF_S = 1.0
"""What commands that run have for their end when the device is gone, in seconds."""


class CommandRunner:
    """Runs a driver's methods beside its `watch`. Commands that come while no driver is open are refused."""

    def __init__(
        self, commands: Mapping[str, Command], position: str, answer: Callable[[int, Outcome], None]
    ) -> None:
        """`answer` is given the ticket of a command and how it ended."""
        self._commands = commands
        self._position = position
        self._answer = answer
        self._driver: Driver[Settings] | None = None
        self._running: dict[int, asyncio.Task[None]] = {}
        self._at_work: int | None = None
        """The one that others have to wait for; urgent ones run beside it."""
        self._stopping = False

    def stop(self) -> None:
        """Refuse what comes from now on; the process is about to end."""
        self._stopping = True

    def opened(self, driver: Driver[Settings]) -> None:
        """Obey from now on."""
        self._driver = driver

    def claimed_by(self, holder: str | None) -> None:
        """Let the driver know who has the device from now on."""
        if self._driver is not None:
            self._driver.claimed_by(holder)

    async def closed(self) -> None:
        """Call off what runs, and refuse what comes, until there is another driver."""
        self._driver = None
        running = list(self._running.values())
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=CALL_OFF_S)
        for ticket in list(self._running):  # a driver that does not let itself be called off
            self._end(ticket, self._called_off())

    def take(self, ticket: int, verb: str, call: Call, args: bytes) -> None:
        """Begin a command, or refuse it at once."""
        command, driver = self._commands.get(verb), self._driver
        if self._stopping:
            self._answer(ticket, Outcome.refused(CommandReason.STOPPING))
        elif command is None:
            self._answer(ticket, Outcome.refused(CommandReason.UNKNOWN_VERB))
        elif driver is None:
            self._answer(ticket, Outcome.refused(CommandReason.NOT_ONLINE))
        elif self._at_work is not None and not command.urgent:
            self._answer(ticket, Outcome.refused(CommandReason.BUSY))
        else:
            try:
                request = command.request.model_validate_json(args, strict=True)
            except ValidationError as error:
                self._answer(
                    ticket, Outcome.refused(CommandReason.BAD_REQUEST, wrong_fields(error, command.request))
                )
                return
            if not command.urgent:
                self._at_work = ticket
            task = asyncio.create_task(
                self._run(ticket, driver, command, request, call), name=f"{self._position} {verb}"
            )
            self._running[ticket] = task

    async def _run(
        self, ticket: int, driver: Driver[Settings], command: Command, request: Request, call: Call
    ) -> None:
        self._end(ticket, await self._outcome(driver, command, request, call))

    async def _outcome(
        self, driver: Driver[Settings], command: Command, request: Request, call: Call
    ) -> Outcome:
        if call.left_s <= 0:
            return Outcome.refused(CommandReason.EXPIRED)
        try:
            done = await getattr(driver, command.method)(request, call)
            return Outcome(CommandState.DONE, result=done.model_dump_json().encode())
        except Failed as failed:
            return Outcome.failed(CommandReason(failed.reason), failed.text)
        except Refused as refused:
            return Outcome.refused(refused.reason, refused.text)
        except LinkError as error:
            return Outcome.failed(CommandReason.LINK_FAILED, error.text, error.how)
        except asyncio.CancelledError:
            return self._called_off()
        except Exception as error:
            log.error("command_error", device=self._position, verb=command.verb, exc_info=error)
            return Outcome.failed(CommandReason.DRIVER_ERROR)

    def _called_off(self) -> Outcome:
        return Outcome.failed(CommandReason.STOPPING if self._stopping else CommandReason.LINK_FAILED)

    def _end(self, ticket: int, outcome: Outcome) -> None:
        if self._running.pop(ticket, None) is None:
            return
        if self._at_work == ticket:
            self._at_work = None
        self._answer(ticket, outcome)
