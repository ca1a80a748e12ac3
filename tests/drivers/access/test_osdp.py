"""Card readers over OSDP: verified by every frame on the line, never by libosdp's own reports."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from osdp_fixture import (
    BUSY,
    KEY,
    KEYPAD,
    LSTATR,
    NAK,
    RAW,
    opened,
    reader_site,
    small_reader,
)
from pydantic import ValidationError
from support.devices.self_tests import outcomes, run_self_test
from support.patience import PATIENCE_S

from drivers.access.commands import PulseOutput
from drivers.access.observations import UNKNOWN_STATUS, CardFormat, CardRead, ReaderStatus
from drivers.access.osdp.driver import Osdp
from drivers.access.osdp.frames import ACK, OUT, POLL, OsdpFrame, OsdpFrameReader
from drivers.access.osdp.settings import OsdpSettings
from drivers.clock import boot_ns
from drivers.command import CommandFailure, CommandRefusal, Invocation, RefusalReason
from drivers.driver import BadFrame, StateCode, Status
from drivers.links.link import Cause, LinkError
from drivers.observation import redact
from drivers.self_test import SelfTestLevel
from gateway.testing.playback.open_driver import OpenDriver
from simulators.barrier.bus_faults import LostReply
from simulators.barrier.faults import BoardsHung, ClearFaults, PowerCut, StalledAdapter
from simulators.barrier.osdp.site import OsdpSite
from simulators.barrier.wirelog import Cause as Why
from simulators.faults import Noise, Unplug

QUICK_S = 0.4
"""Short time limit of a silent reader in these tests."""
CARD = (RAW, bytes([0, 1, 26, 0]) + b"\x01\x02\x03\x40")


def port_of(site: OsdpSite) -> Path:
    return Path(site.settings.path)


async def pulse(reader: OpenDriver[Osdp], output: int = 0, for_s: float = 0.2, within_s: float = 3) -> Any:
    return await reader.driver.pulse(PulseOutput(output=output, duration_s=for_s), Invocation.local(within_s))


async def test_open_needs_secure_channel(tmp_path: Path) -> None:
    async with reader_site(tmp_path) as site, opened(port_of(site)) as reader:
        assert site.secure
        assert reader.links.is_simulated
        assert await reader.next() == UNKNOWN_STATUS
        assert (await reader.next(ReaderStatus)).inputs == (False, True, *[False] * 6)
        assert not site.log.output_writes


async def test_card_is_read_but_not_logged(tmp_path: Path) -> None:
    async with reader_site(tmp_path) as site, opened(port_of(site)) as reader:
        await reader.next(ReaderStatus)
        await site.log.until(lambda: [f.meaning for f in site.log.responses].count("ACK") > 2)
        assert site.present_card(b"\x01\x02\x03\x40", 26)
        card = await reader.next(CardRead)
        assert (card.reader, card.format, card.bits, card.data) == (0, CardFormat.WIEGAND, 26, "01020340")
        assert "0102" not in repr(redact(card))


async def test_pulse_is_one_frame_and_ends_by_itself(tmp_path: Path) -> None:
    async with reader_site(tmp_path) as site, opened(port_of(site)) as reader:
        done = await pulse(reader, output=1, for_s=0.25)
        assert (done.output, done.duration_s) == (1, 0.2)
        (frame,) = site.log.actuations
        assert frame.meaning == "output 1 on for 0.2 s"
        await site.log.until(lambda: len(site.log.contacts) == 2)
        assert [contact.cause for contact in site.log.contacts] == [Why.COMMAND, Why.PULSE_ENDED]


async def test_lost_response_does_not_repeat_frame(tmp_path: Path) -> None:
    """libosdp alone would repeat the frame a second later; the standard permits that."""
    async with reader_site(tmp_path) as site:
        async with opened(port_of(site)) as reader:
            site.inject(LostReply(of="writes"))
            with pytest.raises(LinkError, match="did not respond"):
                await pulse(reader)
            assert (await reader.next(LinkError)).cause is Cause.NO_RESPONSE
        async with opened(port_of(site)) as reader:
            await asyncio.sleep(1.2)  # the second after which libosdp would have repeated it
            assert len(site.log.actuations) == 1
            await pulse(reader)
        assert len(site.log.actuations) == 2


async def test_command_to_silent_reader_is_never_sent(tmp_path: Path) -> None:
    async with reader_site(tmp_path) as site:
        async with opened(port_of(site), offline_after_s=1.5) as reader:
            site.inject(BoardsHung())
            mark = len(site.log)
            await site.log.until(lambda: site.log.after(mark).requests)
            refusals = []
            for _ in range(8):
                with pytest.raises((CommandRefusal, LinkError)) as refused:
                    await pulse(reader)
                refusals.append(refused.value)
            assert all(type(refusal) is CommandRefusal for refusal in refusals)
            assert (await reader.next(LinkError)).cause is Cause.NO_RESPONSE
        site.inject(ClearFaults())
        async with opened(port_of(site)) as reader:
            await site.log.until(lambda: [f.meaning for f in site.log.responses].count("ACK") > 20)
        assert not site.log.actuations


async def test_reader_silent_during_command_got_one_frame(tmp_path: Path) -> None:
    async with reader_site(tmp_path) as site:
        async with opened(port_of(site), offline_after_s=2.5) as reader:
            site.inject(BoardsHung())
            with pytest.raises((CommandRefusal, LinkError)):
                await pulse(reader)
        before = len(site.log.actuations)
        site.inject(ClearFaults())
        async with opened(port_of(site)):
            await site.log.until(lambda: [f.meaning for f in site.log.responses].count("ACK") > 20)
        assert len(site.log.actuations) == before <= 1


async def test_late_command_is_not_begun(tmp_path: Path) -> None:
    async with reader_site(tmp_path) as site, opened(port_of(site)) as reader:
        with pytest.raises(CommandRefusal) as refused:
            await reader.driver.pulse(PulseOutput(), Invocation("1", "counter-1", "t", boot_ns() - 1))
        assert refused.value.reason is RefusalReason.EXPIRED
        await pulse(reader)
        assert len(site.log.actuations) == 1


async def test_command_cancelled_in_queue_is_not_begun(tmp_path: Path) -> None:
    async with small_reader(tmp_path) as device, opened(device.line.path, key=None) as reader:
        await device.until(lambda: device.polls > 3)
        device.mute = True
        seen = device.polls
        async with asyncio.timeout(PATIENCE_S):
            while reader.driver.panel.channel.silence_s < 0.15:
                await asyncio.sleep(0.01)
        asking = asyncio.create_task(pulse(reader))
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        device.mute = False
        await device.until(lambda: device.polls > seen + 5)
        assert device.outs == []


async def test_one_output_at_a_time(tmp_path: Path) -> None:
    async with reader_site(tmp_path) as site, opened(port_of(site)) as reader:
        first, second = await asyncio.gather(pulse(reader), pulse(reader, 1), return_exceptions=True)
        assert (first.output, second.reason) == (0, RefusalReason.BUSY)
        assert len(site.log.actuations) == 1


@pytest.mark.parametrize("key", ["ff" * 16, "00112233445566778899aabbccddee00"])
async def test_wrong_key_is_refused_and_not_logged(tmp_path: Path, key: str) -> None:
    async with reader_site(tmp_path) as site:
        with pytest.raises(LinkError) as refused:
            async with opened(port_of(site), key=key):
                pass
        assert refused.value.cause is Cause.NO_PERMISSION
        assert "different keys" in refused.value.text
        assert key not in f"{refused.value.text}{refused.value.how}"
        assert not any(frame.meaning == "POLL" for frame in site.log.requests)


async def test_key_is_installed_only_if_configured(
    tmp_path: Path,
) -> None:
    async with reader_site(tmp_path, key=None) as site:
        with pytest.raises(LinkError, match="different keys"):
            async with opened(port_of(site)):
                pass
        assert not any(frame.meaning == "KEYSET" for frame in site.log.requests)
        async with opened(port_of(site), security="install") as reader:
            assert (await reader.next(Status)).cause is Cause.CHANNEL_INSECURE
            await pulse(reader)
            assert bytes.fromhex(KEY) not in b"".join(frame.wire for frame in site.log.requests)
        async with opened(port_of(site)):
            assert site.secure


async def test_unplugged_line_is_reported(tmp_path: Path) -> None:
    async with reader_site(tmp_path) as site, opened(port_of(site)) as reader:
        site.inject(Unplug())
        assert (await reader.next(LinkError)).cause is Cause.UNPLUGGED


async def test_restarted_reader_is_reopened(tmp_path: Path) -> None:
    async with reader_site(tmp_path) as site:
        async with opened(port_of(site)) as reader:
            site.inject(PowerCut(of="boards", for_s=0.1))
            assert (await reader.next(LinkError)).cause in (Cause.LINK_FAILED, Cause.NO_RESPONSE)
        async with opened(port_of(site)) as reader:
            await pulse(reader)
        assert len(site.log.actuations) == 1


async def test_noise_costs_one_response_only(tmp_path: Path) -> None:
    async with reader_site(tmp_path) as site, opened(port_of(site)) as reader:
        await reader.next(ReaderStatus)
        for _ in range(3):
            site.inject(Noise())
            mark = len(site.log)
            await site.log.until(lambda: "ACK" in [f.meaning for f in site.log.after(mark).responses])  # noqa: B023
        assert site.secure
        await pulse(reader)
        assert len(site.log.actuations) == 1


async def test_many_opens_leave_nothing(tmp_path: Path) -> None:
    # The fixtures of conftest.py count descriptors, threads and tasks.
    async with small_reader(tmp_path) as device:
        for _ in range(30):
            async with opened(device.line.path, key=None):
                pass
        device.mute = True
        for _ in range(2):
            with pytest.raises(LinkError):
                async with opened(device.line.path, key=None, offline_after_s=0.3):
                    pass


# A minimal reader without libosdp


async def test_other_manufacturer_is_identified(tmp_path: Path) -> None:
    async with small_reader(tmp_path) as device, opened(device.line.path, key=None) as reader:
        device.outs.clear()
        await pulse(reader, output=1, for_s=25.5)
        assert device.outs == [bytes([1, 5, 255, 0])]
        assert reader.driver.panel.identity["serial_number"] == 0x11223344


@pytest.mark.parametrize("level", [1, 2])
async def test_output_without_timer_is_not_switched(tmp_path: Path, level: int) -> None:
    async with small_reader(tmp_path, level=level) as device, opened(device.line.path, key=None) as reader:
        with pytest.raises(CommandRefusal, match="no timer") as refused:
            await pulse(reader)
        assert refused.value.reason is RefusalReason.NOT_SUPPORTED
        with pytest.raises(CommandRefusal, match="2 outputs"):
            await pulse(reader, output=2)
        assert device.outs == []


async def test_longer_pulse_than_permitted_is_refused(tmp_path: Path) -> None:
    outputs = [{"output": 1, "operates": "lock", "max_pulse_s": 0.3}]
    async with (
        small_reader(tmp_path) as device,
        opened(device.line.path, key=None, outputs=outputs) as reader,
    ):
        with pytest.raises(CommandRefusal, match=r"0\.3 s at most"):
            await pulse(reader, output=1, for_s=0.31)
        with pytest.raises(CommandRefusal, match="no `outputs` entry"):
            await pulse(reader, output=0)
        assert device.outs == []
        await pulse(reader, output=1, for_s=0.3)
        assert device.outs == [bytes([1, 5, 3, 0])]


@pytest.mark.parametrize(
    ("outputs", "text"),
    [
        ([{"output": 0, "operates": "motor"}], "must not move a door or boom"),
        ([{"output": 0, "operates": "boom"}], "'lock', 'signal', 'door-controller'"),
        ([{"output": 0}], "operates"),
        ([{"output": 0, "operates": "lock", "max_pulse_s": 26}], "less than or equal to 25.5"),
        ([{"output": 0, "operates": "lock", "max_pulse_s": 0.09}], "greater than or equal to 0.1"),
        ([{"output": 0, "operates": "lock", "max_pulse_s": float("nan")}], "less than or equal to 25.5"),
        ([{"output": -1, "operates": "lock"}], "greater than or equal to 0"),
        ([{"output": 256, "operates": "lock"}], "less than or equal to 255"),
        ([{"output": at, "operates": "lock"} for at in range(17)], "at most 16 items"),
        ([{"output": 2, "operates": "lock"}] * 2, "output 2 is named twice"),
    ],
)
def test_unsafe_outputs_are_refused(outputs: list[dict[str, Any]], text: str) -> None:
    with pytest.raises(ValidationError) as refused:
        OsdpSettings.model_validate({"port": "/dev/ttyS0", "security": "clear", "outputs": outputs})
    assert text in str(refused.value)


async def test_held_command_is_discarded(tmp_path: Path) -> None:
    """An adapter that stalls: the frame that was answered as failed is not executed later."""
    async with reader_site(tmp_path) as site:
        async with opened(port_of(site)) as reader:
            site.inject(StalledAdapter())
            with pytest.raises((CommandRefusal, LinkError)):
                await pulse(reader)
        site.inject(ClearFaults())
        async with opened(port_of(site)):
            await site.log.until(lambda: [f.meaning for f in site.log.responses].count("ACK") > 20)
        assert not site.log.actuations


async def test_rejected_command_is_sent_once(tmp_path: Path) -> None:
    async with small_reader(tmp_path) as device, opened(device.line.path, key=None) as reader:
        device.answer_out = (NAK, b"\x09")
        with pytest.raises(CommandFailure) as failed:
            await pulse(reader)
        assert failed.value.reason is RefusalReason.DEVICE_REFUSED
        assert isinstance(await reader.next(LinkError), LinkError)
        assert len(device.outs) == 1


async def test_busy_reader_gets_command_once(tmp_path: Path) -> None:
    async with small_reader(tmp_path) as device, opened(device.line.path, key=None) as reader:
        device.answer_out = (BUSY, b"")
        with pytest.raises(LinkError):
            await pulse(reader)
        assert isinstance(await reader.next(LinkError), LinkError)
        assert len(device.outs) == 1


async def test_cards_before_open_are_dropped(tmp_path: Path) -> None:
    async with small_reader(tmp_path) as device:
        device.to_tell = [CARD, CARD]
        async with opened(device.line.path, key=None) as reader:
            assert [await reader.next(BadFrame) for _ in range(2)] == [BadFrame("held", b"")] * 2
            await device.until(lambda: device.polls > 4)
            device.to_tell = [CARD, (KEYPAD, b"\x00\x011")]
            assert (await reader.next(CardRead)).data == "01020340"
            assert await reader.next() == BadFrame("other", b"")


async def test_torn_off_reader_is_degraded(tmp_path: Path) -> None:
    async with small_reader(tmp_path) as device, opened(device.line.path, key=None) as reader:
        device.to_tell = [
            (LSTATR, b"\x01\x00"),
            (LSTATR, b"\x01\x00"),
            (LSTATR, b"\x00\x01"),
            (LSTATR, b"\0\0"),
        ]
        assert await reader.next() == UNKNOWN_STATUS
        said = [await reader.next() for _ in range(6)]
        assert [(one.state, one.cause) for one in said[::2]] == [
            (StateCode.DEGRADED, Cause.TAMPERED),
            (StateCode.DEGRADED, Cause.DEVICE_FAULT),
            (StateCode.ONLINE, None),
        ]
        assert [(one.tampered, one.power_failure) for one in said[1::2]] == [
            (True, False),
            (False, True),
            (False, False),
        ]


async def test_reader_without_secure_channel_is_refused(tmp_path: Path) -> None:
    async with small_reader(tmp_path) as device:
        with pytest.raises(LinkError) as refused:
            async with opened(device.line.path):
                pass
        assert (refused.value.cause, device.polls) == (Cause.WRONG_DEVICE, 0)


async def test_no_reader_at_the_address(tmp_path: Path) -> None:
    async with small_reader(tmp_path) as device:
        device.mute = True
        with pytest.raises(LinkError) as refused:
            async with opened(device.line.path, key=None, offline_after_s=QUICK_S):
                pass
        assert (refused.value.cause, "`address`" in refused.value.how) == (Cause.NO_RESPONSE, True)


async def test_garbage_between_frames_is_skipped(tmp_path: Path) -> None:
    async with (
        small_reader(tmp_path, noise=b"\x00\x53\xff\x13") as device,
        opened(device.line.path, key=None) as reader,
    ):
        await device.until(lambda: device.polls > 5)
        await pulse(reader)
        assert len(device.outs) == 1


# Settings and keys


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "add it, or set security"),
        ({"security": "install"}, "add it, or set security"),
        ({"security": "clear", "key_file": "/k"}, "remove one of them"),
        ({"key_file": "k"}, "not an absolute path"),
        ({"key_file": "/k", "address": 127}, "less than or equal to 126"),
        ({"key_file": "/k", "address": -1}, "greater than or equal to 0"),
        ({"key_file": "/k", "offline_after_s": 0}, "greater than or equal to 0.3"),
        ({"key_file": "/k", "offline_after_s": 8.1}, "less than or equal to 8"),
    ],
)
def test_invalid_settings_are_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        OsdpSettings.model_validate({"port": "/dev/x"} | settings)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"303132333435363738393a3b3c3d3e3f", "the public key"),
        (b"0011", "contains no key"),
        (b"\xff\xfe", "is not text"),
        (None, "No such file"),
    ],
)
async def test_invalid_key_is_refused(tmp_path: Path, content: bytes | None, told: str) -> None:
    file = tmp_path / "the-key"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(LinkError, match=told) as refused:
        async with opened(tmp_path / "port", key=None, security="secure", key_file=file):
            pass
    assert refused.value.cause is Cause.NO_PERMISSION


# Frames

WHOLE = bytes.fromhex("53810e000e0216409f7af311371f")
PLAIN = bytes.fromhex("538114000445010000010101000000000001e65c")


@pytest.mark.parametrize("frame", [WHOLE, PLAIN])
def test_damaged_frame_is_invalid(frame: bytes) -> None:
    assert OsdpFrame.parse(frame) == OsdpFrame(1, True, frame[7] if frame is WHOLE else frame[5], frame)
    for at in range(len(frame)):
        assert OsdpFrame.parse(frame[:at]) is None
        assert OsdpFrame.parse(frame[:at] + bytes([frame[at] ^ 0x10]) + frame[at + 1 :]) is None


def test_frame_with_checksum_is_valid() -> None:
    frame = bytes.fromhex("538107000040e5")
    assert OsdpFrame.parse(frame) == OsdpFrame(1, True, ACK, frame)


@given(st.lists(st.binary(max_size=8).filter(lambda noise: 0x53 not in noise)), st.integers(1, 30))
def test_frames_are_found_after_any_cut(noises: list[bytes], size: int) -> None:
    stream = b"".join(noise + WHOLE for noise in noises)
    reader = OsdpFrameReader()
    found = [frame for at in range(0, len(stream), size) for frame in reader.feed(stream[at : at + size])]
    assert found == [OsdpFrame(1, True, ACK, WHOLE)] * len(noises)


def test_codes_are_those_of_the_standard() -> None:
    assert (POLL, OUT, ACK) == (0x60, 0x68, 0x40)


async def test_self_test_reports_status_and_card_length(tmp_path: Path) -> None:
    async with small_reader(tmp_path) as device, opened(tmp_path / "small", None) as reader:
        assert outcomes(await run_self_test(reader.driver, SelfTestLevel.INTERNAL)) == {
            "housing": "not_supported",
            "supply": "not_supported",
            "channel.secure": "failed",
        }
        device.to_tell = [(LSTATR, b"\x01\x00")]
        while not (await reader.next(ReaderStatus)).tampered:
            pass
        seen = await run_self_test(reader.driver, SelfTestLevel.INTERNAL)
        assert (seen["housing"].outcome, seen["supply"].outcome) == ("failed", "successful")
        card = CardRead(reader=0, format=CardFormat.RAW, bits=26, data="01020340")
        seen = await run_self_test(reader.driver, SelfTestLevel.INTERACTIVE, card)
        assert seen["card.read"].measured == 26
        assert "01020340" not in seen["card.read"].model_dump_json()
