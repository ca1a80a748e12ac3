"""Numato's responses in any chunks, and pulses of the host without a response, on a board in memory."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from plain_words import assert_sentence

from drivers.barrier.board import PulseEnd
from drivers.barrier.boards.host_timed import HostTimedBoard, relay_closed_error
from drivers.barrier.boards.numato import MAX_REPLY_BYTES, ReplyReader
from drivers.barrier.boards.release import RELEASE_ATTEMPTS
from drivers.links.link import Action, Cause, LinkError

# Responses of a Numato module.

RESPONSE = b"\r\nver\r\n\r\n00000008\r\n>"


def fed(reader: ReplyReader, *chunks: bytes) -> list[str | None]:
    return [reader.feed(chunk) for chunk in chunks]


@pytest.mark.parametrize("cut", range(1, len(RESPONSE)))
@pytest.mark.parametrize("before", [b"", b">", b"\x80?\r\n>"])
def test_response_comes_in_two_chunks(before: bytes, cut: int) -> None:
    """An earlier prompt, of another command, ends nothing."""
    assert fed(ReplyReader(b"ver"), before + RESPONSE[:cut], RESPONSE[cut:]) == [None, "00000008"]


@pytest.mark.parametrize("response", [RESPONSE, RESPONSE.lstrip()])
def test_response_comes_byte_by_byte(response: bytes) -> None:
    *earlier, last = fed(ReplyReader(b"ver"), *(bytes([one]) for one in response))
    assert (set(earlier), last) == ({None}, "00000008")


def test_command_without_a_response_is_echoed() -> None:
    assert fed(ReplyReader(b"relay on 2"), b"relay on 2\r\n", b">") == [None, ""]


def test_response_of_another_command_is_none() -> None:
    reader = ReplyReader(b"ver")
    assert fed(reader, b"gpio read 1\r\n1\r\n>", b"xver\r\n7\r\n>") == [None, None]
    assert reader.feed(RESPONSE) == "00000008"


@pytest.mark.parametrize("surplus", [0, 1, 2])
def test_end_of_another_response_is_none(surplus: int) -> None:
    """The rest that is kept of much noise begins behind a prompt, not in the middle of a response."""
    other = b"xver\r\n7\r\n>"
    reader = ReplyReader(b"ver")
    noise = b"x" * (MAX_REPLY_BYTES + surplus - len(other))
    assert fed(reader, other + noise, b">", RESPONSE) == [None, None, "00000008"]


def test_response_comes_after_much_noise() -> None:
    reader = ReplyReader(b"ver")
    noise = [b"x" * 1000] * 10
    assert set(fed(reader, *noise)) == {None}
    assert len(reader._received) == MAX_REPLY_BYTES
    assert reader.feed(RESPONSE) == "00000008"


# Pulses.


class BoardInMemory(HostTimedBoard):
    """A board that does not respond to the frames that close a relay, nor to `lost_releases`."""

    pulse_end = PulseEnd.BOARD_TIMED
    release_timeout_s = 0.0

    def __init__(self, cause: Cause, lost_releases: int = 0) -> None:
        super().__init__()
        self.frames: list[str] = []
        self._cause = cause
        self._lost_releases = lost_releases

    async def _switch_relay(
        self, relay: int, closed: bool, *, urgent: bool, before_write: Callable[[], None]
    ) -> None:
        before_write()
        self.frames.append(f"{'close' if closed else 'open'} {relay}")
        if closed:
            raise self._silence()
        self._acknowledge_release()

    async def _open_all(self) -> None:
        self.frames.append("open all")
        self._acknowledge_release()

    def _acknowledge_release(self) -> None:
        if self._lost_releases:
            self._lost_releases -= 1
            raise self._silence()

    def _silence(self) -> LinkError:
        return LinkError(self._cause, "The board does not respond.", Action.WAIT)


async def frames_of_a_lost_pulse(board: BoardInMemory, *, urgent: bool = False) -> list[str]:
    """Return all frames of a pulse without a response, until nothing more is due."""
    with pytest.raises(LinkError):
        await board.pulse_relay(3, 0.0, urgent=urgent)
    if others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others)
    return board.frames


async def test_lost_pulse_is_taken_back_once() -> None:
    board = BoardInMemory(Cause.NO_RESPONSE)
    with pytest.raises(LinkError):
        await board.pulse_relay(3, 60)
    assert (board.frames, board._ends) == (["close 3", "open 3"], {})


@pytest.mark.parametrize(
    ("board", "urgent", "frames"),
    [
        (BoardInMemory(Cause.NO_RESPONSE, lost_releases=1), False, ["close 3", "open 3", "open 3"]),
        (BoardInMemory(Cause.NO_RESPONSE), True, ["close 3", "open 3"]),
        (BoardInMemory(Cause.LINK_FAILED), False, ["close 3", "open 3"]),
    ],
    ids=["release lost", "stop", "link lost"],
)
async def test_other_lost_pulses_end_by_their_time(
    board: BoardInMemory, urgent: bool, frames: list[str]
) -> None:
    assert await frames_of_a_lost_pulse(board, urgent=urgent) == frames


class LossyBoard(HostTimedBoard):
    """A board that acknowledges every frame but those in `lost`, once each; `release_timeout_s` as given."""

    pulse_end = PulseEnd.BOARD_TIMED

    def __init__(self, *lost: str, time_relay_s: float = 1.0) -> None:
        super().__init__()
        self.release_timeout_s = time_relay_s
        self.frames: list[str] = []
        self.at_loss: Callable[[], Awaitable[None]] | None = None
        """Called once, while the first lost frame waits for its response."""
        self._lost = list(lost)

    async def _switch_relay(
        self, relay: int, closed: bool, *, urgent: bool, before_write: Callable[[], None]
    ) -> None:
        before_write()
        await self._take(f"{'close' if closed else 'open'} {relay}")

    async def _open_all(self) -> None:
        await self._take("open all")

    async def _take(self, frame: str) -> None:
        self.frames.append(frame)
        if frame in self._lost:
            self._lost.remove(frame)
            meanwhile, self.at_loss = self.at_loss, None
            if meanwhile is not None:
                await meanwhile()
            raise LinkError(Cause.NO_RESPONSE, "The board does not respond.", Action.WAIT)


@pytest.mark.parametrize("lost", [("open 1",), ("open 1",) * 3])
async def test_lost_end_of_a_pulse_leaves_a_stop(lost: tuple[str, ...]) -> None:
    board = LossyBoard(*lost)
    board.at_loss = lambda: board.pulse_relay(2, 5, urgent=True)
    await board.pulse_relay(1, 0.0)
    await asyncio.wait({board._ends[1]})
    assert board.frames == ["close 1", "open 1", "close 2", *lost]
    await board.open_all_relays()


async def test_lost_movement_leaves_a_stop() -> None:
    """The movement is taken back after the stop, whose relay stays closed."""
    board = LossyBoard("close 1")
    board.at_loss = lambda: board.pulse_relay(2, 5, urgent=True)
    with pytest.raises(LinkError):
        await board.pulse_relay(1, 60)
    assert board.frames == ["close 1", "close 2", "open 1"]
    await board.open_all_relays()


async def test_lost_movement_leaves_a_later_pulse_of_its_relay() -> None:
    """A reopening is written while the response to an opening is missing: it is left to its own end."""
    board = LossyBoard("close 1", time_relay_s=10)
    board.at_loss = lambda: board.pulse_relay(1, 5, urgent=True)
    with pytest.raises(LinkError):
        await board.pulse_relay(1, 0.0)
    others = asyncio.all_tasks() - {asyncio.current_task()}
    assert (board.frames, others) == (["close 1", "close 1"], {board._ends[1]})
    await board.open_all_relays()


async def test_second_stop_behind_a_time_relay_is_a_new_pulse() -> None:
    board = LossyBoard(time_relay_s=0.0)
    await board.pulse_relay(2, 5, urgent=True)
    await board.pulse_relay(2, 5, urgent=True)
    assert board.frames == ["close 2", "open 2", "close 2"]
    await board.open_all_relays()


async def test_second_stop_whose_contact_may_not_have_opened_is_unacknowledged() -> None:
    board = LossyBoard("open 2", time_relay_s=0.0)
    await board.pulse_relay(2, 5, urgent=True)
    with pytest.raises(LinkError):
        await board.pulse_relay(2, 5, urgent=True)
    assert board.frames == ["close 2", "open 2", "close 2"]
    await board.open_all_relays()


async def test_repeated_stop_within_the_time_of_its_relay_only_closes() -> None:
    board = LossyBoard("close 2", time_relay_s=10)
    with pytest.raises(LinkError):
        await board.pulse_relay(2, 5, urgent=True)
    await board.pulse_relay(2, 5, urgent=True)
    assert board.frames == ["close 2", "close 2"]
    await board.open_all_relays()


async def test_release_by_name_ends_the_count_of_lost_ones() -> None:
    """A board that has acknowledged it is not given up for those that were lost before and after.

    Another relay stays closed meanwhile: without one, nothing would be left to release.
    """
    board = LossyBoard(*["open all"] * RELEASE_ATTEMPTS)
    await board.pulse_relay(1, 60)
    await board.pulse_relay(2, 60, urgent=True)
    for attempt in range(RELEASE_ATTEMPTS):
        if attempt == RELEASE_ATTEMPTS - 1:
            await board._open_relay_once(1)
        with pytest.raises(LinkError):
            await board.open_all_relays()
    board._raise_if_stuck()


async def test_relay_that_does_not_open_is_told() -> None:
    board = BoardInMemory(Cause.NO_RESPONSE, lost_releases=RELEASE_ATTEMPTS)
    board._closed_by_us.add(3)
    for _ in range(RELEASE_ATTEMPTS):
        with pytest.raises(LinkError):
            await board.open_all_relays()
    with pytest.raises(LinkError) as stuck:
        await board.pulse_relay(0, 0.0)
    assert (stuck.value.cause, stuck.value.action) == (Cause.DEVICE_FAULT, Action.CALL_SUPPORT)
    assert stuck.value.text == "Relay 3 did not confirm that it has opened: it may be closed."
    assert_sentence(stuck.value.how)
    await board.open_all_relays()
    board._raise_if_stuck()


def test_relay_closed_before_is_told() -> None:
    error = relay_closed_error(2)
    assert (error.cause, error.action) == (Cause.DEVICE_FAULT, Action.CALL_SUPPORT)
    assert error.text == "Relay 2 was closed before the gateway came, and does not open."
    assert_sentence(error.how)
