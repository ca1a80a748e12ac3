"""Numato's USB relay modules: text commands, an echo, a prompt; no mechanism that ends a pulse.

Source: Numato Lab, "USB Relay Module" user guides and "Understanding readall/writeall commands for Relay
Modules": a command ends in CR; its echo comes back, then the response if there is one, then ``>``. Relays are
numbered 0 to 9, then A, B and so on; inputs are called gpio. Relays keep their state when the host or the
program dies, so a barrier may be wired to such a module only with a time relay behind it.
"""

import asyncio
import re
from collections.abc import Callable, Iterable
from typing import Literal

from pydantic import Field

from drivers.barrier.board import BoardLate, BoardSettings
from drivers.barrier.boards.host_timed import HostTimedBoard, relay_closed_error
from drivers.barrier.boards.input_circuit import InputCircuitSettings
from drivers.barrier.boards.time_relay import TimeRelaySettings
from drivers.driver import Identity
from drivers.links.factory import LinkFactory
from drivers.links.link import Action, Cause, LinkError
from drivers.links.request_queue import RequestQueue, StaleReplies
from drivers.links.serial import DTR_HINT, SerialLink, SerialSettings

NUMBERS = "0123456789ABCDEFGHIJKLMNOPQRSTUV"
PROMPT = b">"
MAX_REPLY_BYTES = 4096
"""Upper bound on the bytes between two prompts; the longest response has some twenty."""
QUIET_S = 0.005
"""Silence required before the next command, in seconds: a second copy of a response comes in this time."""
_AFTER_ECHO = rb"[\r\n]+(?:([^\r\n>]+)[\r\n]+)?>"
_NO_COMMAND = b"?"


def _allow() -> None:
    """Allow the command."""


class ReplyReader:
    """Search for the response to one command in bytes that arrive in any chunks."""

    def __init__(self, line: bytes) -> None:
        before = b"" if line == _NO_COMMAND else rb"(?:^|[\r\n>])"
        self._answered = re.compile(before + re.escape(line) + _AFTER_ECHO)
        self._received = bytearray()

    def feed(self, chunk: bytes) -> str | None:
        """Take a chunk; return the response once its prompt has come, empty if there is none."""
        is_complete = PROMPT in chunk
        self._received += chunk
        found = self._answered.search(self._received) if is_complete else None
        if found is not None:
            return (found[1] or b"").decode("latin-1").strip()
        # An earlier prompt ends no response of this command any more.
        begin = self._received.rfind(PROMPT) if is_complete else 0
        del self._received[: max(begin, len(self._received) - MAX_REPLY_BYTES)]
        return None


class NumatoSettings(SerialSettings, TimeRelaySettings, InputCircuitSettings, BoardSettings):
    """A Numato module."""

    model: Literal["numato"] = Field(description="Model of the board.")
    relays: int = Field(description="Number of relays.", ge=1, le=32, examples=[8])
    inputs: int = Field(default=0, ge=0, le=8, description="Number of GPIO, from 0 on, that are inputs.")
    closed_level: Literal[0, 1] = Field(
        default=1,
        description="Level of an input while its circuit is closed: 1 if the contact leads to the "
        "supply, 0 if it leads to ground.",
    )
    response_timeout_s: float = Field(
        default=0.2,
        ge=0.02,
        le=1,
        description="Time limit of one response, in seconds; for a barrier 0.2 at most.",
        examples=[0.2],
    )

    def build(self, links: LinkFactory) -> "NumatoBoard":
        """Build the board, not opened yet."""
        return NumatoBoard(self, links)


class NumatoBoard(HostTimedBoard):
    """The module. See `Board`; each input needs a request of its own, so `read_inputs` sends several."""

    def __init__(self, settings: NumatoSettings, links: LinkFactory) -> None:
        super().__init__()
        self.settings = settings
        self.links = links
        self.relays, self.inputs = settings.relays, settings.inputs
        self.pulse_end = settings.pulse_end
        self.release_timeout_s = settings.release_timeout_s
        self.response_timeout_s = settings.response_timeout_s
        self.answer_time_s = 0.0
        self._is_unanswered = False
        """True while the last command had no response: it may still wait in the kernel or an adapter."""
        self._late = StaleReplies(settings.response_timeout_s)
        self._requests: RequestQueue
        self._link: SerialLink

    async def open(self) -> Identity:
        """Implement `Board.open`."""
        self._link = await self.links.serial(self.settings)
        self._requests = await self.links.request_queue()
        # Half a command of another program may be in the module's line: made an invalid command, and ended.
        await self._requests.submit(lambda: self._exchange(_NO_COMMAND, _allow))
        version = await self._ask("ver")
        if True in await self.read_relays():
            await self._repeat_release()
            if True in (closed := await self.read_relays()):
                raise relay_closed_error(closed.index(True))
        identifier = await self._ask("id get")
        usb = self._link.usb
        return Identity(
            manufacturer="Numato Lab",
            model=(usb and usb.product) or f"{self.relays} relays",
            serial_number=(usb and usb.serial_number) or identifier,
            firmware=version,
        )

    async def read_inputs(self) -> tuple[bool, ...]:
        """Implement `Board.read_inputs`."""
        self._raise_if_stuck()
        read = [await self._ask(f"gpio read {NUMBERS[n]}") for n in range(self.inputs)]
        if not set(read) <= {"0", "1"}:
            raise self._another("an input reads neither 0 nor 1")
        return tuple(int(one) == self.settings.closed_level for one in read)

    async def read_relays(self) -> tuple[bool, ...]:
        """Implement `Board.read_relays`."""
        self._raise_if_stuck()
        closed = await self._relay_states()
        return tuple(bool(closed >> relay & 1) for relay in range(self.relays))

    async def _relay_states(self, *, urgent: bool = False) -> int:
        """Read the relays: a bit each, 1 where it is closed."""
        response = await self._ask("relay readall", urgent=urgent)
        if not re.fullmatch(rf"[0-9a-fA-F]{{{self._digits}}}", response):
            raise self._another("it reports another number of relays")
        return int(response, 16)

    async def close(self) -> None:
        """Implement `Board.close`."""
        await self._open_on_close()
        if hasattr(self, "_link"):
            self._link.discard_output()

    async def _switch_relay(
        self, relay: int, closed: bool, *, urgent: bool, before_write: Callable[[], None]
    ) -> None:
        command = f"relay {'on' if closed else 'off'} {NUMBERS[relay]}"
        is_doubtful = not closed and self._has_late_twin(command)
        await self._tell(command, urgent=urgent, is_movement=not urgent, before_write=before_write)
        if is_doubtful:
            await self._prove_open((relay,))

    async def _open_all(self) -> None:
        command = f"relay writeall {0:0{self._digits}x}"
        is_doubtful = self._has_late_twin(command)
        await self._tell(command, urgent=True)
        if is_doubtful:
            await self._prove_open(range(self.relays))

    def _has_late_twin(self, command: str) -> bool:
        """Return True while the echo of an equal, abandoned command may be taken for that of this one."""
        return self._late.latest_s(lambda late: late == command.encode("ascii")) > 0

    async def _prove_open(self, relays: Iterable[int]) -> None:
        """Read relays whose release may have got the echo of an earlier one, before a pulse.

        Raises LinkError if one is closed.
        """
        closed = await self._relay_states(urgent=True)
        for relay in relays:
            if closed >> relay & 1:
                raise relay_closed_error(relay)

    @property
    def _digits(self) -> int:
        return (self.relays + 3) // 4

    async def _ask(self, command: str, *, urgent: bool = False) -> str:
        answer = await self._tell(command, urgent=urgent)
        if not answer:
            raise self._another(f"it has no command {command!r}")
        return answer

    async def _tell(
        self,
        command: str,
        *,
        urgent: bool = False,
        is_movement: bool = False,
        before_write: Callable[[], None] = _allow,
    ) -> str:
        line = command.encode("ascii")

        def check() -> None:
            if is_movement and (self._is_unanswered or self._link.unsent_bytes):
                raise BoardLate("Earlier commands may still wait on the line: nothing was sent.")
            before_write()

        return await self._requests.submit(
            lambda: self._exchange(line, check),
            urgent=urgent,
            not_before=lambda: 0.0 if urgent else self._late.latest_s(lambda late: late == line),
        )

    async def _exchange(self, line: bytes, before_write: Callable[[], None]) -> str:
        """Send a command once; return the response, empty if there is none. Raises LinkError."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        try:
            async with asyncio.timeout(self.response_timeout_s):
                await self._silence()
                before_write()
                await self._link.write(line + b"\r")
                reader = ReplyReader(line)
                while (reply := reader.feed(await self._link.read())) is None:
                    pass
        except TimeoutError:
            self._link.discard_output()
            self._is_unanswered, self.answer_time_s = True, self.response_timeout_s
            self._late.add(line)
            raise LinkError(
                Cause.NO_RESPONSE,
                f"The module at {self.settings.port} did not answer within {self.response_timeout_s:g} "
                "seconds.",
                Action.REPLUG,
                f"Unplug the module, wait five seconds, plug it in again; check `port`. {DTR_HINT}",
            ) from None
        self._is_unanswered, self.answer_time_s = False, loop.time() - began_s
        return reply

    async def _silence(self) -> None:
        """Discard unsolicited bytes, until there are none."""
        while True:
            try:
                async with asyncio.timeout(QUIET_S):
                    await self._link.read()
            except TimeoutError:
                return

    def _another(self, what: str) -> LinkError:
        return LinkError(
            Cause.WRONG_DEVICE,
            f"The device at {self.settings.port} is not this module: {what}.",
            Action.CONFIGURE,
            "Correct `model`, `port`, `relays` and `inputs`.",
        )
