"""Modules of the ZFM-20 family: a damaged byte costs at most one placement, the line recovers."""

import asyncio
import itertools
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scanner_fixture import ScannerFixture, words
from zfm_fixture import (
    HEIGHT,
    IMAGE,
    WIDTH,
    ScriptedZfmModule,
    asked,
    frame,
    module_at,
    opened,
    settings_of,
    zfm_at,
)

from drivers.command import CommandFailure, CommandRefusal, RefusalReason
from drivers.driver import BadFrame, StateCode
from drivers.fingerprint.observations import CaptureOutcome, FeedbackCode, FingerCaptured, UnreadableReason
from drivers.fingerprint.zfm.codes import ConfirmationCode, refusal_error
from drivers.fingerprint.zfm.driver import Zfm
from drivers.fingerprint.zfm.image import unpack
from drivers.fingerprint.zfm.packets import Packet, PacketKind, PacketReader, encode_packet
from drivers.fingerprint.zfm.parameters import ProductInfo, SystemParameters
from drivers.links.factory import LinkFactory
from drivers.links.framing import CHECK_BYTE, NOISE, OTHER_CONTENT, DamagedFrame
from drivers.links.link import Action, Cause, LinkError

GEN_IMG, UP_IMAGE, READ_SYS_PARA, AURA, PROD_INFO, PASSWORD = 0x01, 0x0A, 0x0F, 0x35, 0x3C, 0x13


async def captured(desk: ScannerFixture) -> CaptureOutcome:
    """Capture with a finger on the platen; return the outcome."""
    desk.device.finger = True
    return (await desk.ask()).outcome


# Packets.

contents = st.binary(min_size=1, max_size=256)
kinds = st.sampled_from(PacketKind)


def fed(chunks: list[bytes], address: int = 0xFFFFFFFF) -> list[Packet | DamagedFrame]:
    packets = PacketReader(address)
    found = [each for chunk in chunks for each in packets.feed(chunk)]
    return [*found, *packets.on_silence()]


@given(st.lists(st.tuples(kinds, contents), max_size=5), st.integers(1, 40))
def test_packets_in_any_chunks(sent: list[tuple[PacketKind, bytes]], size: int) -> None:
    wire = b"".join(encode_packet(kind, content) for kind, content in sent)
    found = fed([wire[at : at + size] for at in range(0, len(wire), size)])

    assert [(each.kind, each.content) for each in found if isinstance(each, Packet)] == sent
    assert not any(isinstance(each, DamagedFrame) for each in found)


@given(st.binary(max_size=300), st.integers(1, 300))
def test_no_byte_is_lost_unseen(noise: bytes, size: int) -> None:
    found = fed([noise[at : at + size] for at in range(0, len(noise), size)])

    assert b"".join(each.wire for each in found) == noise


@given(st.binary(max_size=60), contents)
def test_packet_after_noise_and_silence(noise: bytes, content: bytes) -> None:
    found = fed([noise, encode_packet(PacketKind.DATA, content)])

    # Noise that ends like a packet may swallow the one that follows only if it is one itself.
    assert any(isinstance(each, Packet) for each in found)


def test_what_a_packet_looks_like() -> None:
    assert encode_packet(PacketKind.COMMAND, b"\x01") == bytes.fromhex("ef01ffffffff010003010005")
    assert encode_packet(PacketKind.COMMAND, b"\x01") == asked(GEN_IMG)


def test_packet_after_a_damaged_one() -> None:
    good = encode_packet(PacketKind.ACK, b"\x00")
    bad = good[:-1] + b"\x00"

    assert [type(each) for each in fed([bad + good])] == [DamagedFrame, Packet]
    assert fed([bad])[0].fault == CHECK_BYTE  # type: ignore[union-attr]


def test_packets_of_other_modules_are_ignored() -> None:
    (found,) = fed([encode_packet(PacketKind.ACK, b"\x00", address=5)])

    assert isinstance(found, DamagedFrame)
    assert found.fault == OTHER_CONTENT


@pytest.mark.parametrize(
    "header", [b"\xef\x01\xff\xff\xff\xff\x07\xff\xff", b"\xef\x01\xff\xff\xff\xff\x09\x00\x03"]
)
def test_impossible_header_is_noise(header: bytes) -> None:
    assert fed([header])[0].fault == NOISE  # type: ignore[union-attr]


# Images and parameters.


def test_pixels_high_half_first() -> None:
    raster = unpack(bytes([0x0F, 0xA0]), 2, 2, 508)

    assert raster is not None
    assert raster.pixels.tolist() == [[0, 255], [170, 0]]
    assert (raster.resolution_ppi, raster.bits_per_pixel) == (508, 4)
    assert unpack(b"\0", 2, 2, 508) is None


@given(st.binary(max_size=60))
def test_no_answer_makes_it_stumble(content: bytes) -> None:
    SystemParameters.parse(content)
    ProductInfo.parse(content)


def test_parameters_and_product_layout() -> None:
    parameters = SystemParameters.parse(bytes.fromhex("0004 0009 00c8 0003 ffffffff 0002 0006"))
    assert parameters == SystemParameters(4, 9, 200, 3, 0xFFFFFFFF, 128, 57600)

    product = ProductInfo.parse(
        b"R503"
        + bytes(12)
        + b"0001"
        + b"SN000001"
        + b"\x01\x02"
        + b"S"
        + bytes(7)
        + bytes.fromhex("00c0 00c0 0600 00c8")
    )
    assert product == ProductInfo("R503", "SN000001", 192, 192)


def test_every_confirmation_code_has_an_error() -> None:
    for code in range(256):
        error = refusal_error(code, "take an image")

        assert error.action is not Action.NONE
        assert error.text.endswith(".")
        assert error.how.endswith(".")


# Opening.


async def test_the_module_says_who_it_is(tmp_path: Path) -> None:
    async with zfm_at(tmp_path / "port") as desk:
        assert desk.identity.model == "R503"
        assert desk.identity.serial_number == "SN000001"
        assert desk.driver.links.is_simulated
        assert desk.device.heard[:3] == [PASSWORD, READ_SYS_PARA, PROD_INFO]


async def test_two_modules_stay_apart(tmp_path: Path) -> None:
    async with module_at(tmp_path / "a") as one, module_at(tmp_path / "b") as other:
        other.serial = b"SN000002"
        async with opened(one) as first, opened(other) as second:
            assert (first.identity.serial_number, second.identity.serial_number) == ("SN000001", "SN000002")
            assert await captured(second) is CaptureOutcome.CAPTURED
            assert first.everything == []


async def test_module_without_product_info(tmp_path: Path) -> None:
    async with module_at(tmp_path / "port") as module:
        module.image = bytes(256 * 288 // 2)
        async with opened(module, model="as608") as desk:
            assert desk.identity.model == "AS608 (system 0009)"
            assert PROD_INFO not in module.heard
            module.finger = True
            assert (await desk.ask()).reason is UnreadableReason.NO_RIDGES


@pytest.mark.parametrize(
    ("spoil", "cause", "how"),
    [
        ({"password": b"\1\2\3\4"}, Cause.NO_PERMISSION, "password"),
        ({"mute": {PASSWORD}}, Cause.NO_RESPONSE, "baud"),
        ({"mute": {PASSWORD}}, Cause.NO_RESPONSE, "dtr = false"),
        ({"acks": {PASSWORD: 0x20}}, Cause.WRONG_DEVICE, "address"),
        ({"acks": {READ_SYS_PARA: 0x19}}, Cause.WRONG_DEVICE, "model"),
        ({"acks": {READ_SYS_PARA: 0x29}}, Cause.DEVICE_FAULT, "replace"),
        ({"acks": {READ_SYS_PARA: 0x77}}, Cause.NO_RESPONSE, "off and on"),
    ],
)
async def test_failed_opening_has_a_remedy(
    spoil: dict[str, Any], cause: Cause, how: str, tmp_path: Path
) -> None:
    async with module_at(tmp_path / "port") as module:
        for name, value in spoil.items():
            setattr(module, name, value)
        with pytest.raises(LinkError) as error:
            async with opened(module):
                pass
    assert error.value.cause is cause
    assert how in error.value.how


async def test_password_and_address(tmp_path: Path) -> None:
    async with module_at(tmp_path / "port") as module:
        module.password = bytes.fromhex("0badcafe")
        async with opened(module, password="0BADCAFE") as desk:
            assert desk.identity.model == "R503"


async def test_missing_port_has_a_remedy(tmp_path: Path) -> None:
    links = LinkFactory()
    with pytest.raises(LinkError) as error:
        await Zfm(settings_of(tmp_path / "absent"), links).open()
    await links.close()
    assert error.value.cause is Cause.NO_DEVICE


async def test_starting_module_is_asked_again(tmp_path: Path) -> None:
    async def model() -> str | None:
        async with opened(module) as desk:
            return desk.identity.model

    async with module_at(tmp_path / "port") as module:
        module.mute = {PASSWORD}
        opening = asyncio.create_task(model())
        await module.wire.wait_for_bytes(asked(PASSWORD, bytes(4)))
        module.mute = set()
        await module.wire.send(b"\x55")
        assert await opening == "R503"


async def test_foreign_image_on_the_line_is_ignored(tmp_path: Path) -> None:
    async with module_at(tmp_path / "port") as module:
        module.mute = {PASSWORD}  # it is sending, and does not listen
        opening = asyncio.ensure_future(Zfm(settings_of(module.wire.path), links := LinkFactory()).open())
        await module.wire.wait_for_host()
        for _ in range(20):
            await module.wire.send(frame(0x02, IMAGE[:128]))
        module.mute = set()
        await module.wire.send(frame(0x08, IMAGE[:128]))
        assert (await opening).model == "R503"
        await links.close()


async def test_reopening_leaks_nothing(tmp_path: Path) -> None:
    # The fixtures of conftest.py count descriptors, threads and tasks.
    async with module_at(tmp_path / "port") as module:
        for _ in range(1000):
            links = LinkFactory()
            driver = Zfm(settings_of(module.wire.path), links)
            await driver.open()
            await driver.close()
            await links.close()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"model": "zfm-99"}, "zfm-20"),
        ({"baud": 9601}, "57600"),
        ({"baud": 1200}, "57600"),
        ({"password": "1234"}, "eight hexadecimal digits"),
        ({"image_px": [191, 192]}, "even numbers"),
        ({"address": -1}, "greater than or equal to 0"),
        ({"poll_s": 0}, "greater than 0"),
        ({"wifi": True}, "Extra inputs"),
    ],
)
def test_invalid_settings_are_refused_with_a_remedy(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        settings_of(Path("/dev/ttyUSB0"), **wrong)


def test_a_password_is_not_shown() -> None:
    assert "0badcafe" not in repr(settings_of(Path("/dev/ttyUSB0"), password="0badcafe"))


# Capturing.


@pytest.mark.parametrize("data_bytes", [32, 64, 128, 256])
async def test_image_transfer_pixel_for_pixel(data_bytes: int, tmp_path: Path) -> None:
    async with zfm_at(tmp_path / "port", minimum_quality=None) as desk:
        desk.device.data_bytes, desk.device.image = data_bytes, IMAGE
        taken = await _raster_of(desk)
    packed = np.frombuffer(IMAGE, np.uint8)
    wanted = np.stack([packed >> 4, packed & 15], axis=1).reshape(HEIGHT, WIDTH) * 17
    assert np.array_equal(taken.pixels, wanted)
    assert (taken.resolution_ppi, taken.bits_per_pixel) == (508, 4)


async def _raster_of(desk: ScannerFixture) -> Any:
    """Return the image of the driver."""
    taken = []
    take = desk.driver.capture_image

    async def noted() -> Any:
        taken.append(await take())
        return taken[-1]

    desk.driver.capture_image = noted  # type: ignore[method-assign]
    await captured(desk)
    return taken[0]


async def test_capture_waits_for_a_finger(tmp_path: Path) -> None:
    async with zfm_at(tmp_path / "port") as desk:
        asking = desk.ask(position="left_thumb")
        await desk.told(FeedbackCode.PLACE)
        while desk.device.heard.count(GEN_IMG) < 3:
            await asyncio.sleep(0.005)
        desk.device.finger = True
        assert (await asking).outcome is CaptureOutcome.CAPTURED
        found = await desk.next(FingerCaptured)
        assert (found.width_px, found.height_px, found.resolution_ppi, found.bits_per_pixel) == (
            192,
            192,
            508,
            4,
        )
        await desk.ended()
        assert await desk.next_state() is StateCode.ONLINE


async def test_ring_shows_feedback_and_goes_out(tmp_path: Path) -> None:
    async with zfm_at(tmp_path / "port") as desk:
        desk.device.wire.discard_received()
        await captured(desk)
        await desk.ended()
        assert await desk.next_state() is StateCode.ONLINE
        lamps = [command for command in _commands(desk.device.wire.received_bytes) if command[0] == AURA]
    # Breathing blue, steady purple, flashing purple, off.
    assert [(lamp[1], lamp[3]) for lamp in lamps] == [(1, 2), (3, 3), (2, 3), (4, 2)]


def _commands(wire: bytes) -> list[bytes]:
    return [each.content for each in fed([wire]) if isinstance(each, Packet)]


@pytest.mark.parametrize("lamp", ["none", "backlight", "aura"])
async def test_module_without_lamp(lamp: str, tmp_path: Path) -> None:
    async with zfm_at(tmp_path / "port", lamp=lamp) as desk:
        desk.device.acks = dict.fromkeys((AURA, 0x50, 0x51), 0x19)
        assert await captured(desk) is CaptureOutcome.CAPTURED
        asked_for = [code for code in desk.device.heard if code in (AURA, 0x50, 0x51)]
        assert len(asked_for) == (0 if lamp == "none" else 1)


async def test_backlight_during_a_capture(tmp_path: Path) -> None:
    async with zfm_at(tmp_path / "port", lamp="backlight") as desk:
        await captured(desk)
        await desk.ended()
        assert await desk.next_state() is StateCode.ONLINE
        assert [code for code in desk.device.heard if code in (0x50, 0x51)] == [0x50, 0x51]


async def test_early_lift_is_reported(tmp_path: Path) -> None:
    async with zfm_at(tmp_path / "port", lamp="none") as desk:
        module: ScriptedZfmModule = desk.device
        taken = itertools.count()
        own = module._ack

        def lifted(instruction: int, parameters: bytes) -> tuple[int, bytes]:
            if instruction == GEN_IMG:
                module.finger = next(taken) == 1  # there at the second look, gone at the third
            return own(instruction, parameters)

        module._ack = lifted  # type: ignore[method-assign]
        done = await desk.ask()
        assert done.outcome is CaptureOutcome.LIFTED_TOO_EARLY
        assert str(FeedbackCode.LIFTED_TOO_EARLY) in words(desk.everything)


async def test_image_of_another_model_is_a_wrong_device(tmp_path: Path) -> None:
    async with zfm_at(tmp_path / "port") as desk:
        desk.device.image = bytes(256 * 288 // 2)
        desk.device.finger = True
        asking = desk.ask()
        error = await desk.next(LinkError)
        assert (error.cause, error.action) == (Cause.WRONG_DEVICE, Action.CONFIGURE)
        assert "192 by 192" in error.text
        await asyncio.wait({asking})


async def test_damaged_instruction_is_repeated(tmp_path: Path) -> None:
    async with zfm_at(tmp_path / "port", lamp="none") as desk:
        desk.device.acks = {GEN_IMG: 0x01}
        desk.device.finger = True
        asking = desk.ask()
        while desk.device.heard.count(GEN_IMG) < 3:
            await asyncio.sleep(0.005)
        desk.device.acks = {}
        assert (await asking).outcome is CaptureOutcome.CAPTURED


@pytest.mark.parametrize(
    "acks", [{GEN_IMG: 0x03}, {GEN_IMG: 0x06}, {UP_IMAGE: 0x0F}, {UP_IMAGE: 0x15}, {UP_IMAGE: 0x01}]
)
async def test_module_without_an_image_is_unreadable(acks: dict[int, int], tmp_path: Path) -> None:
    async with zfm_at(tmp_path / "port") as desk:
        desk.device.acks = acks
        desk.device.finger = True
        done = await desk.ask()
        assert (done.outcome, done.reason) == (CaptureOutcome.UNREADABLE, UnreadableReason.DEVICE_ERROR)


async def test_sensor_failure_ends_capture_and_watch(tmp_path: Path) -> None:
    async with zfm_at(tmp_path / "port") as desk:
        desk.device.acks = {GEN_IMG: 0x29}
        asking = desk.ask()
        assert (await desk.ended()).outcome is CaptureOutcome.DEVICE_LOST
        error = await desk.next(LinkError)
        assert (error.cause, error.action) == (Cause.DEVICE_FAULT, Action.REPLACE)
        with pytest.raises(LinkError):
            await asking


async def test_line_is_idle_between_polls(tmp_path: Path) -> None:
    async with zfm_at(tmp_path / "port", poll_s=0.1, lamp="none") as desk:
        desk.ask(timeout_s=1)
        assert (await desk.ended()).outcome is CaptureOutcome.TIMED_OUT
        assert 2 <= desk.device.heard.count(GEN_IMG) <= 11


async def test_resting_finger_is_waited_for(tmp_path: Path) -> None:
    async with zfm_at(tmp_path / "port", minimum_quality=99) as desk:
        desk.device.finger = True
        asking = desk.ask(best_of=2)
        await desk.told(FeedbackCode.LIFT)
        desk.device.finger = False
        assert (await desk.told(FeedbackCode.PLACE)).attempt == 2
        desk.device.finger = True
        assert (await asking).attempts == 2


async def test_cancel_during_a_transfer_is_immediate(tmp_path: Path) -> None:
    async with zfm_at(tmp_path / "port") as desk:
        desk.device.finger = True
        desk.device.pause_s = 0.005  # 144 packets: three quarters of a second
        asking = desk.ask()
        while UP_IMAGE not in desk.device.heard:
            await asyncio.sleep(0.002)
        begun_s = asyncio.get_running_loop().time()
        await desk.cancel()
        assert (await desk.ended()).outcome is CaptureOutcome.CANCELLED
        assert asyncio.get_running_loop().time() - begun_s < 0.3
        with pytest.raises(CommandFailure) as failed:
            await asking
        assert failed.value.reason is RefusalReason.CANCELLED
        assert await desk.next_state() is StateCode.ONLINE  # the rest of the image has passed
        desk.device.pause_s = 0.0
        assert await captured(desk) is CaptureOutcome.CAPTURED


async def test_cancel_at_any_moment(tmp_path: Path) -> None:
    async with zfm_at(tmp_path / "port") as desk:
        desk.device.finger = True
        outcomes = set()
        for after_ms in range(0, 60, 3):
            asking = desk.ask()
            await asyncio.sleep(after_ms / 1000)
            await desk.cancel()
            await asyncio.wait({asking})
            if type(asking.exception()) is not CommandRefusal:  # it had begun
                outcomes.add((await desk.ended()).outcome)
        assert CaptureOutcome.CANCELLED in outcomes
        assert await captured(desk) is CaptureOutcome.CAPTURED


# Faults of the line.


async def test_damaged_packet_costs_one_placement(tmp_path: Path) -> None:
    chance = random.Random(503)
    async with zfm_at(tmp_path / "port", lamp="none") as desk:
        module: ScriptedZfmModule = desk.device
        for _ in range(12):
            number = chance.randrange(144)
            packets = itertools.count()

            def spoil(part: bytes, number: int = number, packets: Any = packets) -> bytes:
                if next(packets) != number:
                    return part
                at = chance.randrange(len(part))
                return part[:at] + bytes([part[at] ^ (1 << chance.randrange(8))]) + part[at + 1 :]

            module.mangle_data = spoil
            module.finger = True
            done = await desk.ask()
            assert (done.outcome, done.reason) == (CaptureOutcome.UNREADABLE, UnreadableReason.DEVICE_ERROR)
            module.mangle_data = bytes
            assert await captured(desk) is CaptureOutcome.CAPTURED


async def test_truncated_packet_costs_one_placement(tmp_path: Path) -> None:
    whole = frame(0x02, IMAGE[:128])
    async with zfm_at(tmp_path / "port", lamp="none") as desk:
        module: ScriptedZfmModule = desk.device
        for cut in (1, 2, 6, 8, 9, 60, len(whole) - 1):
            packets = itertools.count()
            module.mangle_data = lambda part, cut=cut, packets=packets: (
                part[:cut] if next(packets) == 7 else part
            )
            module.finger = True
            assert (await desk.ask()).reason is UnreadableReason.DEVICE_ERROR
            module.mangle_data = bytes
            assert await captured(desk) is CaptureOutcome.CAPTURED


async def test_garbage_around_packets_is_ignored(tmp_path: Path) -> None:
    chance = random.Random(20)
    async with module_at(tmp_path / "port") as module:
        # Without a header: the start of a packet would have to be waited for.
        module.mangle = lambda part: _noise(chance) + part + _noise(chance)
        async with opened(module, lamp="none") as desk:
            assert await captured(desk) is CaptureOutcome.CAPTURED
            assert any(isinstance(said, BadFrame) for said in desk.everything)


def _noise(chance: random.Random) -> bytes:
    return b"\x00" + chance.randbytes(chance.randrange(20)).replace(b"\xef", b"\x00")


async def test_slow_response_is_read(tmp_path: Path) -> None:
    async with zfm_at(tmp_path / "port", lamp="none", response_timeout_s=2) as desk:
        await desk.device.wire.wait_drained()
        send = desk.device.wire.send

        async def dribble(data: bytes, **_: Any) -> Any:
            return await send(data, chunk=7, every_s=0.0)

        desk.device.wire.send = dribble
        assert await captured(desk) is CaptureOutcome.CAPTURED


async def test_silent_module_is_lost(tmp_path: Path) -> None:
    async with zfm_at(tmp_path / "port", response_timeout_s=0.3) as desk:
        desk.device.mute = {GEN_IMG}
        asking = desk.ask()
        assert (await desk.ended()).outcome is CaptureOutcome.DEVICE_LOST
        assert (await desk.next(LinkError)).cause is Cause.NO_RESPONSE
        await asyncio.wait({asking})


async def test_silent_module_at_rest_is_lost(tmp_path: Path) -> None:
    async with zfm_at(tmp_path / "port", idle_poll_s=0.05, response_timeout_s=0.3) as desk:
        desk.device.mute = {READ_SYS_PARA}
        assert (await desk.next(LinkError)).cause is Cause.NO_RESPONSE


async def test_module_at_rest_is_polled(tmp_path: Path) -> None:
    async with zfm_at(tmp_path / "port", idle_poll_s=0.05) as desk:
        while desk.device.heard.count(READ_SYS_PARA) < 4:
            await asyncio.sleep(0.01)
        assert desk.everything == []


async def test_restarted_module_is_reopened(tmp_path: Path) -> None:
    async with zfm_at(tmp_path / "port") as desk:
        await desk.device.wire.send(b"\x55")
        error = await desk.next(LinkError)
        assert (error.cause, error.action) == (Cause.LINK_FAILED, Action.WAIT)
        assert "power" in error.text


async def test_unsolicited_bytes_are_bad_frames(tmp_path: Path) -> None:
    async with zfm_at(tmp_path / "port") as desk:
        await desk.device.wire.send(b"hello")
        assert (await desk.next(BadFrame)).wire == b"hello"
        await desk.device.wire.send(frame(0x07, b"\x00"))
        assert (await desk.next(BadFrame)).fault == OTHER_CONTENT


@pytest.mark.parametrize("at", [0, 1, 8, 12, 13, 500, len(IMAGE) // 2])
async def test_unplugging_at_any_byte_is_reported_at_once(at: int, tmp_path: Path) -> None:
    async with zfm_at(tmp_path / "port", lamp="none") as desk:
        module: ScriptedZfmModule = desk.device
        sent = itertools.count()
        loop = asyncio.get_running_loop()
        pulled_s: list[float] = []

        def pull(part: bytes) -> bytes:
            if next(sent) * len(part) < at:
                return part
            loop.call_soon(lambda: (module.wire.unplug(), pulled_s.append(loop.time())))
            return part[: at % len(part)]

        module.mangle = pull
        module.finger = True
        asking = desk.ask()
        assert (await desk.ended()).outcome is CaptureOutcome.DEVICE_LOST
        assert loop.time() - pulled_s[0] < 0.3
        assert (await desk.next(LinkError)).cause is Cause.UNPLUGGED
        with pytest.raises(LinkError):
            await asking


async def test_unplugging_at_rest_ends_the_watch(tmp_path: Path) -> None:
    async with zfm_at(tmp_path / "port") as desk:
        desk.device.wire.unplug()
        assert (await desk.next(LinkError)).cause is Cause.UNPLUGGED


def test_every_code_has_a_name() -> None:
    codes = "000102030607 08090A0B0C0D0E0F 101113151819 1A1B1C1D1F 202122242627 29 FCFDFE"
    assert {ack.value for ack in ConfirmationCode} == set(bytes.fromhex(codes))
