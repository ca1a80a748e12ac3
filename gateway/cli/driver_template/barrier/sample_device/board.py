"""Board of the Sample device: relays that it times itself, and inputs. Source: SHEET.md, section 3."""

import asyncio
import re
from collections.abc import Callable
from typing import Literal

from drivers.barrier.board import BoardLate, BoardRefused, BoardSettings, PulseEnd
from drivers.barrier.boards.host_timed import relay_closed_error
from drivers.barrier.boards.release import ReleasingBoard, take_back
from drivers.driver import BadFrame, Identity
from drivers.links.factory import LinkFactory
from drivers.links.link import LinkError
from drivers.links.request_queue import RequestQueue
from drivers.links.serial import SerialSettings
from pydantic import Field

from sample_device.exchange import Exchange
from sample_device.frames import encode

RELAYS, INPUTS = 4, 8
TENTH_S = 0.1
VALUES = re.compile(rb";([01]{8});([01]{4})")


class SampleBoardSettings(SerialSettings, BoardSettings):
    """Settings of the board."""

    model: Literal["sample-device"] = Field(
        default="sample-device", description="Model of the board.", examples=["sample-device"]
    )
    response_timeout_s: float = Field(
        default=0.2,
        ge=0.02,
        le=0.2,
        description="Time limit of an answer, in seconds: a stop waits for at most one.",
        examples=[0.2],
    )

    def build(self, links: LinkFactory) -> "SampleBoard":
        """Build the board, not opened yet."""
        return SampleBoard(self, links)


class SampleBoard(ReleasingBoard):
    """The board; see `drivers.barrier.board.Board` for what each method promises."""

    relays, inputs = RELAYS, INPUTS
    pulse_end = PulseEnd.BOARD_TIMED
    release_timeout_s = TENTH_S

    def __init__(self, settings: SampleBoardSettings, links: LinkFactory) -> None:
        super().__init__()
        self.response_timeout_s = settings.response_timeout_s
        self.answer_time_s = 0.0
        self._settings = settings
        self._links = links
        self._number = 0
        self._is_unanswered = False
        """True while the last request had no answer: it may still wait in an adapter."""
        self._exchange: Exchange
        self._requests: RequestQueue

    async def open(self) -> Identity:
        """Open the port, identify the board, and open relays that are closed."""
        link = await self._links.serial(self._settings)
        self._exchange = Exchange(link, self.response_timeout_s)
        self._requests = await self._links.request_queue()
        identity = await self._requests.submit(self._exchange.identify)
        if True in await self.read_relays():
            await self._repeat_release()
            if True in (closed := await self.read_relays()):
                raise relay_closed_error(closed.index(True))
        return identity

    async def read_inputs(self) -> tuple[bool, ...]:
        """Read all inputs."""
        return (await self._read())[0]

    async def read_relays(self) -> tuple[bool, ...]:
        """Read all relays."""
        return (await self._read())[1]

    async def _read(self) -> tuple[tuple[bool, ...], tuple[bool, ...]]:
        found = VALUES.fullmatch(await self._ask(b"R"))
        if found is None:
            raise self._exchange.no_answer()
        inputs, relays = (tuple(one == ord("1") for one in part) for part in found.groups())
        return inputs, relays

    async def pulse_relay(
        self, relay: int, for_s: float, *, urgent: bool = False, by_s: float | None = None
    ) -> None:
        """Close a relay; a pulse without an answer is taken back, unless it is urgent."""
        payload = f";{relay};{max(1, round(for_s / TENTH_S))}".encode()
        with self._permit(relay, by_s) as permit:
            try:
                await self._ask(b"P", payload, urgent=urgent, before_write=permit.use)
            except LinkError as lost:
                if not urgent and not permit.is_withdrawn:
                    await take_back(permit, lost, lambda allow: self._open_relay(relay, allow))
                raise

    async def _open_relay(self, relay: int, before_write: Callable[[], None]) -> None:
        """Open one relay: the others may be closed for a stop."""
        await self._ask(b"O", f";{relay}".encode(), urgent=True, before_write=before_write)

    async def open_all_relays(self) -> None:
        """Open all relays, before all waiting requests."""
        self._withdraw_pulses()
        await self._release()

    async def _open_all(self) -> None:
        await self._ask(b"O", urgent=True)

    async def close(self) -> None:
        """Cancel waiting pulses; the board ends running ones itself."""
        self._withdraw_pulses()

    async def _ask(
        self,
        kind: bytes,
        payload: bytes = b"",
        *,
        urgent: bool = False,
        before_write: Callable[[], None] = lambda: None,
    ) -> bytes:
        """Send a request once, when its turn comes; return its answer. Raises BoardRefused and LinkError."""

        def check() -> None:
            if kind == b"P" and not urgent and (self._is_unanswered or self._exchange.link.unsent_bytes):
                raise BoardLate("Earlier requests may still wait on the line: nothing was sent.")
            before_write()

        return await self._requests.submit(lambda: self._send(kind, payload, check), urgent=urgent)

    async def _send(self, kind: bytes, payload: bytes, before_write: Callable[[], None]) -> bytes:
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        self._number = (self._number + 1) % 100
        number = f"{self._number:02d}".encode()
        before_write()
        await self._exchange.link.write(encode(kind, number + payload))
        try:
            async with asyncio.timeout(self.response_timeout_s):
                answer = await self._answer(number)
        except TimeoutError:
            self._exchange.link.discard_output()
            self._is_unanswered, self.answer_time_s = True, self.response_timeout_s
            raise self._exchange.no_answer() from None
        self._is_unanswered, self.answer_time_s = False, loop.time() - began_s
        if answer[:1] == b"N":
            raise BoardRefused("The board refuses the request.")
        return answer[3:]

    async def _answer(self, number: bytes) -> bytes:
        """Receive the answer with that number; an earlier one came late and is dropped."""
        while True:
            message = await self._exchange.receive()
            if not isinstance(message, BadFrame) and message.payload[1:3] == number:
                return message.payload
