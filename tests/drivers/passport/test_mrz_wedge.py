"""Document readers in keyboard mode: a damaged text costs only itself, and keystrokes stay private."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.patience import PATIENCE_S

from drivers.driver import BadFrame, StateCode, Status
from drivers.links.factory import LinkFactory
from drivers.links.link import Cause, LinkError
from drivers.passport.mrz import MrzFormat
from drivers.passport.mrz_wedge import KEYSTROKES, MrzWedge, MrzWedgeSettings
from drivers.passport.observations import DocumentRead, FrameFault, ReadFailed, ReadTrigger
from simulators.links.serial_line import SerialLine
from simulators.mrz import Document, Format
from simulators.passport.keyboard import (
    LEFT_SHIFT,
    EndKey,
    TypingMode,
    WedgeReader,
    dropped_events,
    events_of,
    strokes_of,
    typed_by_person,
    without_release,
)
from simulators.specimens import ERIKSSON_LINES
from simulators.travellers import TravellerGenerator

PASSPORT = ERIKSSON_LINES["TD3"]
GAP_S = 0.02
PASSWORD = "hunter2"
SPECIMEN = Document(
    format=Format.TD3,
    code="P",
    issuer="TZA",
    number="TZQ4821YW",
    nationality="TZA",
    surname="MWAKYUSA",
    given_names="ZAWADI QUEEN",
    birth="800315",
    sex="F",
    expiry="320714",
)
"""A passport with letters that the layouts exchange, in a checked field too."""


class Reader:
    """A driver under test, and its keyboard."""

    def __init__(self, wire: SerialLine, driver: MrzWedge, device: WedgeReader) -> None:
        self.wire = wire
        self.driver = driver
        self.device = device
        self.output: asyncio.Queue[Any] = asyncio.Queue()

    async def listen(self) -> None:
        async with contextlib.aclosing(self.driver.watch()) as observations:
            try:
                async for observation in observations:
                    self.output.put_nowait(observation)
            except LinkError as error:
                self.output.put_nowait(error)

    async def next(self) -> Any:
        async with asyncio.timeout(PATIENCE_S):
            return await self.output.get()

    async def next_status(self) -> Status:
        while not isinstance(output := await self.next(), Status):
            pass
        return output

    async def reads_on(self) -> None:
        """Check that the next document is read, whatever came before."""
        await self.device.present(PASSPORT)
        assert (await self.next()).lines == PASSPORT


@contextlib.asynccontextmanager
async def wedge_on(
    port: Path,
    hand: TypingMode = TypingMode.US,
    end: EndKey = EndKey.ENTER,
    last_end: bool = True,
    **settings: Any,
) -> AsyncIterator[Reader]:
    async with SerialLine.open_at(port, look_s=0.002) as wire:
        device = WedgeReader(wire, hand=hand, end=end, last_end=last_end)
        links = LinkFactory()
        layout = {"layout": hand} if hand in (TypingMode.AZERTY, TypingMode.QWERTZ) else {}
        driver = MrzWedge(MrzWedgeSettings(port=str(port), **{"gap_s": GAP_S} | layout | settings), links)
        await driver.open()
        await wire.wait_for_host()
        reader = Reader(wire, driver, device)
        listening = asyncio.create_task(reader.listen())
        try:
            yield reader
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            await driver.close()
            await links.close()


@pytest.mark.parametrize(
    "document", [MrzFormat.TD1, MrzFormat.TD2, MrzFormat.TD3, MrzFormat.MRV_A, MrzFormat.MRV_B]
)
@pytest.mark.parametrize("hand", TypingMode)
async def test_every_format_and_typing_mode(hand: TypingMode, document: MrzFormat, tmp_path: Path) -> None:
    lines = next(v for k, v in ERIKSSON_LINES.items() if k.lower().replace("-", "_") == document)
    async with wedge_on(tmp_path / "port", hand) as reader:
        await reader.device.present(lines)
        read = await reader.next()
        assert isinstance(read, DocumentRead)
        assert (read.lines, read.mrz and read.mrz.format, read.trigger) == (
            lines,
            document,
            ReadTrigger.SWIPE,
        )


@pytest.mark.parametrize("last_end", [True, False])
@pytest.mark.parametrize("end", EndKey)
async def test_every_line_end_and_none(end: EndKey, last_end: bool, tmp_path: Path) -> None:
    async with wedge_on(tmp_path / "port", end=end, last_end=last_end) as reader:
        for _ in range(2):
            await reader.reads_on()
            await reader.wire.wait_drained()


async def test_many_documents_at_once(tmp_path: Path) -> None:
    async with wedge_on(tmp_path / "port") as reader:
        documents = [document.lines for document in itertools.islice(TravellerGenerator(1), 20)]
        for lines in documents:
            await reader.device.present(lines)
        for lines in documents:
            assert (await reader.next()).lines == lines


async def test_events_that_dribble_are_read(tmp_path: Path) -> None:
    async with wedge_on(tmp_path / "port", gap_s=1) as reader:
        await reader.wire.send(reader.device.frame(PASSPORT), chunk=49, every_s=0.0005)
        assert (await reader.next()).lines == PASSPORT


async def test_cut_text_costs_only_itself(tmp_path: Path) -> None:
    async with wedge_on(tmp_path / "port", gap_s=0.01) as reader:
        size = len(reader.device.frame(PASSPORT))
        reader.device.clock.pause(1)
        for cut in range(150, size - 300, 24 * 17 + 5):  # also in the middle of an event
            await reader.wire.send(reader.device.frame(PASSPORT)[:cut])
            given_up = await reader.next()
            if cut < 2160:  # not yet eight characters: a person may have typed that
                assert given_up == BadFrame(KEYSTROKES, b"")
            else:
                assert isinstance(given_up, ReadFailed)
                assert given_up.fault is FrameFault.CUT or given_up.size_bytes < 44
            await reader.reads_on()
            assert reader.output.empty()


async def test_dropped_events_fail_one_read(tmp_path: Path) -> None:
    """The lines after the gap in the events must never be combined with those of another document."""
    async with wedge_on(tmp_path / "port") as reader:
        clock = reader.device.clock
        reader.device.frame(())  # sets the clock
        first, second = PASSPORT
        await reader.wire.send(
            events_of(strokes_of(first + "\r" + second[:9]), clock)
            + dropped_events(clock)
            + events_of(strokes_of(first + "\r" + second + "\r"), clock)
        )
        failed = await reader.next()
        assert isinstance(failed, ReadFailed)
        assert failed.fault is FrameFault.CUT
        await reader.reads_on()


@pytest.mark.parametrize("nth", [0, 7, 20])
async def test_stuck_shift_fails_one_read(nth: int, tmp_path: Path) -> None:
    async with wedge_on(tmp_path / "port") as reader:
        reader.device.frame(())
        second = without_release(strokes_of(PASSPORT[1] + "\r"), LEFT_SHIFT, nth % 8)
        strokes = [*strokes_of(PASSPORT[0] + "\r"), *second]
        await reader.wire.send(events_of(strokes, reader.device.clock))
        failed = await reader.next()
        assert isinstance(failed, ReadFailed)
        assert (failed.fault, failed.wire) == (FrameFault.MALFORMED, b"")
        reader.device.clock.pause(2 * GAP_S)
        await reader.reads_on()


async def test_caps_lock_mismatch_is_harmless(tmp_path: Path) -> None:
    async with wedge_on(tmp_path / "port") as reader:
        reader.device.frame(())
        typed = "".join(f"{line.swapcase()}\r" for line in PASSPORT)
        await reader.wire.send(events_of(strokes_of(typed), reader.device.clock))
        assert (await reader.next()).lines == PASSPORT


async def test_keystrokes_of_person_are_only_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with wedge_on(tmp_path / "port") as reader:
        reader.device.frame(())
        await reader.wire.send(typed_by_person(f"{PASSWORD}\r", reader.device.clock))
        await reader.wire.wait_drained()
        for _ in PASSWORD:
            assert await reader.next() == BadFrame(KEYSTROKES, b"")
        await reader.reads_on()
    assert PASSWORD not in caplog.text


async def test_keystrokes_spoil_one_read(tmp_path: Path) -> None:
    async with wedge_on(tmp_path / "port") as reader:
        reader.device.frame(())
        clock = reader.device.clock
        typed = PASSPORT[0] + "\r" + PASSWORD + PASSPORT[1] + "\r"
        await reader.wire.send(events_of(strokes_of(typed), clock))
        failures = [await reader.next(), await reader.next()]
        assert [failed.fault for failed in failures] == [FrameFault.CUT, FrameFault.MALFORMED]
        assert all(PASSWORD.encode() not in failed.wire for failed in failures)
        await reader.reads_on()


async def test_fast_typist_is_no_reader(tmp_path: Path) -> None:
    """Five keys in a row faster than the gap time."""
    async with wedge_on(tmp_path / "port", gap_s=0.05) as reader:
        reader.device.frame(())
        await reader.wire.send(typed_by_person("a<b>c", reader.device.clock, key_s=0.04))
        assert await reader.next() == BadFrame(KEYSTROKES, b"")
        reader.device.clock.pause(0.1)
        await reader.reads_on()


async def test_other_text_is_published_if_configured(tmp_path: Path) -> None:
    barcode = "4006381333931ABCDEFGHIJKL"
    async with wedge_on(tmp_path / "a") as reader:
        await reader.device.present((barcode,))
        failed = await reader.next()
        assert (failed.fault, failed.size_bytes, failed.wire) == (FrameFault.MALFORMED, len(barcode), b"")
    async with wedge_on(tmp_path / "b", non_mrz_text="publish") as reader:
        await reader.device.present((barcode.lower(),))
        read = await reader.next()
        assert (read.lines, read.mrz) == ((barcode.lower(),), None)


async def test_unplugging_ends_watch_with_cause(tmp_path: Path) -> None:
    async with wedge_on(tmp_path / "port", gap_s=5) as reader:
        await reader.wire.send(reader.device.frame(PASSPORT)[:1000])
        reader.wire.unplug()
        gone = await reader.next()
        assert isinstance(gone, LinkError)
        assert gone.cause is Cause.UNPLUGGED


async def test_late_process_sees_no_pause(tmp_path: Path) -> None:
    async with wedge_on(tmp_path / "port") as reader:
        events = reader.device.frame(PASSPORT)
        half = len(events) // 48 * 24
        await reader.wire.send(events[:half])
        await reader.wire.wait_drained()
        await reader.wire.send(events[half:])
        # The loop is blocked for longer than the gap time, while the rest of the text waits in the kernel.
        time.sleep(3 * GAP_S)
        assert (await reader.next()).lines == PASSPORT


async def test_two_readers_of_one_model(tmp_path: Path) -> None:
    one, other = itertools.islice(TravellerGenerator(3), 2)
    async with wedge_on(tmp_path / "a") as a, wedge_on(tmp_path / "b") as b:
        await asyncio.gather(a.device.present(one), b.device.present(other))
        assert (await a.next()).lines == one.lines
        assert (await b.next()).lines == other.lines


async def test_thousand_opens_leak_nothing(tmp_path: Path) -> None:
    # The fixtures of conftest.py count descriptors, threads and tasks.
    async with SerialLine.open_at(tmp_path / "port", look_s=0.001):
        for _ in range(1000):
            links = LinkFactory()
            identity = await MrzWedge(MrzWedgeSettings(port=str(tmp_path / "port")), links).open()
            assert links.is_simulated
            await links.close()
    assert identity.model == "keyboard reader"


@pytest.mark.parametrize("hand", [TypingMode.AZERTY, TypingMode.QWERTZ])
async def test_other_layout_is_named_by_specimen(hand: TypingMode, tmp_path: Path) -> None:
    async with wedge_on(tmp_path / "port", hand, layout="us") as reader:
        await reader.device.present(SPECIMEN)
        status = await reader.next_status()
        assert (status.state, status.cause) == (StateCode.FAULT, Cause.WRONG_FORMAT)
        assert f'Write layout = "{hand}"' in status.how
        reader.device.hand = TypingMode.US
        await reader.device.present(SPECIMEN)
        assert await reader.next_status() == Status(StateCode.ONLINE)


async def test_us_reader_under_other_layout_is_named(tmp_path: Path) -> None:
    async with wedge_on(tmp_path / "port", TypingMode.ISO, layout="azerty") as reader:
        await reader.device.present(SPECIMEN)
        assert 'Write layout = "us"' in (await reader.next_status()).how


async def test_exchanged_letters_are_misread(tmp_path: Path) -> None:
    async with wedge_on(tmp_path / "port", TypingMode.QWERTZ, layout="us") as reader:
        await reader.device.present(SPECIMEN)
        assert "Documents are misread" in (await reader.next_status()).text


async def test_right_layout_is_never_suspected(tmp_path: Path) -> None:
    async with wedge_on(tmp_path / "port", TypingMode.US) as reader:
        for document in itertools.islice(TravellerGenerator(3), 20):
            await reader.device.present(document)
        await reader.device.line.send(typed_by_person(PASSWORD, reader.device.clock))
        for _ in range(20):
            assert isinstance(await reader.next(), DocumentRead)
        for _ in PASSWORD:  # a person pauses between two keys
            assert await reader.next() == BadFrame(KEYSTROKES, b"")
        await asyncio.sleep(3 * GAP_S)
        assert reader.output.empty()
