"""A serial line on a pty, with pyserial as the host."""

import asyncio
import os
import termios
from collections.abc import Callable
from pathlib import Path

import pytest
import serial
from sim_host import Host
from support.patience import PATIENCE_S

from simulators.links.serial_line import LineError, SerialLine


async def test_host_receives_exactly_what_is_sent(line: SerialLine, host: Host) -> None:
    everything = bytes(range(256))

    assert await line.send(everything)
    assert await host.read(256) == everything


async def test_device_receives_every_byte(line: SerialLine, host: Host) -> None:
    received: list[bytes] = []
    line.on_received = received.append

    host.write(bytes(range(256)))
    await line.wait_for_bytes(bytes(range(256)))

    assert b"".join(received) == line.received_bytes == bytes(range(256))
    line.discard_received()
    assert line.received_bytes == b""


@pytest.mark.parametrize("discards", [True, False])
async def test_stalled_line_holds_bytes(line: SerialLine, host: Host, discards: bool) -> None:
    received: list[bytes] = []
    line.on_received = received.append

    line.stall(is_discarding=discards)
    host.write(b"first")
    await asyncio.sleep(0.05)
    host.port.reset_output_buffer()
    await asyncio.sleep(0.05)
    host.write(b"second")
    await asyncio.sleep(0.05)
    assert not received
    line.end_stall()

    assert received == [b"second" if discards else b"firstsecond"]


async def test_nothing_is_sent_without_host(line: SerialLine, plug_host: Callable[[Path], Host]) -> None:
    assert not line.has_host
    assert not await line.send(b"old news")

    host = plug_host(line.path)
    await line.wait_for_host()
    await line.send(b"news")

    assert await host.read(4) == b"news"
    assert await host.nothing_within(0.02)


async def test_unread_output_does_not_reach_next_host(line: SerialLine, host: Host) -> None:
    await line.send(b"x" * 8000)
    host.close()
    await line.wait_for_host_close()

    # A host that does not flush the port when it opens it, unlike pyserial.
    descriptor = os.open(line.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        await line.wait_for_host()
        with pytest.raises(BlockingIOError):
            os.read(descriptor, 1)
    finally:
        os.close(descriptor)


async def test_line_is_raw_before_configuration(line: SerialLine) -> None:
    descriptor = os.open(line.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        _, oflag, _, lflag, *_ = termios.tcgetattr(descriptor)
        assert not lflag & (termios.ECHO | termios.ICANON | termios.ISIG)
        assert not oflag & termios.OPOST
        await line.wait_for_host()
        assert await line.send(b"\x03\r\n\x04")
        await line.wait_drained(within_s=0.02)
        assert os.read(descriptor, 10) == b"\x03\r\n\x04"
        assert line.received_bytes == b""  # no echo
    finally:
        os.close(descriptor)


async def test_settings_do_not_reach_next_host(line: SerialLine) -> None:
    descriptor = os.open(line.path, os.O_RDWR | os.O_NOCTTY)
    cooked = termios.tcgetattr(descriptor)
    cooked[3] |= termios.ECHO | termios.ICANON
    termios.tcsetattr(descriptor, termios.TCSANOW, cooked)
    await line.wait_for_host()
    os.close(descriptor)
    await line.wait_for_host_close()

    descriptor = os.open(line.path, os.O_RDWR | os.O_NOCTTY)
    try:
        assert not termios.tcgetattr(descriptor)[3] & (termios.ECHO | termios.ICANON)
    finally:
        os.close(descriptor)


async def test_hosts_come_and_go(line: SerialLine, plug_host: Callable[[Path], Host]) -> None:
    for round_ in range(20):
        host = plug_host(line.path)
        await line.wait_for_host()
        assert await line.send(b"%d" % round_)
        assert await host.read(len(b"%d" % round_)) == b"%d" % round_
        host.close()
        await line.wait_for_host_close()
        assert not line.has_host


async def test_host_that_writes_is_configured(tmp_path: Path, plug_host: Callable[[Path], Host]) -> None:
    async with SerialLine.open_at(tmp_path / "reader", settle_s=3600, look_s=0.005) as line:
        host = plug_host(line.path)
        host.write(b"\x00")
        async with asyncio.timeout(PATIENCE_S):
            await line.wait_for_host()


async def test_short_visit_of_host_is_noticed(line: SerialLine, plug_host: Callable[[Path], Host]) -> None:
    host = plug_host(line.path)
    host.write(b"hello and goodbye")
    host.close()

    await line.wait_for_bytes(b"hello and goodbye")
    await line.wait_for_host_close()


async def test_frame_waits_for_flush(tmp_path: Path, plug_host: Callable[[Path], Host]) -> None:
    async with SerialLine.open_at(tmp_path / "reader", settle_s=3600, look_s=3600) as line:
        for _ in range(50):
            host = plug_host(line.path)
            async with asyncio.timeout(PATIENCE_S):
                assert await line.send(b"early")
            assert await host.read(5) == b"early"
            host.close()
            await line.wait_for_host_close()


async def test_host_without_flush_listens_after_settling(tmp_path: Path) -> None:
    async with SerialLine.open_at(tmp_path / "reader", settle_s=0.05, look_s=0.001) as line:
        host = os.open(line.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            assert await line.send(b"early")
            assert os.read(host, 10) == b"early"
        finally:
            os.close(host)


async def test_unplug_hangs_up_and_removes_path(line: SerialLine, host: Host) -> None:
    line.unplug()

    assert not line.is_plugged
    assert not line.path.is_symlink()
    assert await host.read_until_gone() == b""
    assert not await line.send(b"into the void")
    with pytest.raises(serial.SerialException):
        Host(line.path)


async def test_replug_is_new_port_at_same_path(
    line: SerialLine, host: Host, plug_host: Callable[[Path], Host]
) -> None:
    line.unplug()
    line.replug()
    line.replug()  # already plugged in: no effect
    again = plug_host(line.path)
    await line.wait_for_host()

    assert await line.send(b"back")
    assert await again.read(4) == b"back"


async def test_unplug_for_a_while(line: SerialLine, host: Host, plug_host: Callable[[Path], Host]) -> None:
    line.unplug(for_s=0.02)
    await line.wait_for_host_close()
    while not line.path.exists():
        await asyncio.sleep(0.005)
    plug_host(line.path)
    await line.wait_for_host()


async def test_later_unplug_overrides_earlier_one(line: SerialLine) -> None:
    line.unplug(for_s=0.01)
    line.unplug()
    await asyncio.sleep(0.05)
    assert not line.is_plugged


async def test_dribble_arrives_in_pieces(line: SerialLine, host: Host) -> None:
    pieces: list[bytes] = []
    sending = asyncio.create_task(line.send(b"abcdefg", chunk=3, every_s=0.03))
    while not sending.done():
        if piece := host.port.read(100):
            pieces.append(piece)
        await asyncio.sleep(0.001)

    assert await sending
    pieces.append(host.port.read(100))
    assert [piece for piece in pieces if piece] == [b"abc", b"def", b"g"]


async def test_messages_do_not_mix(line: SerialLine, host: Host) -> None:
    await asyncio.gather(
        line.send(b"aaaa", chunk=1, every_s=0.002), line.send(b"bbbb", chunk=1, every_s=0.001)
    )
    assert await host.read(8) == b"aaaabbbb"


async def test_rest_of_frame_not_sent_to_next_host(
    line: SerialLine, host: Host, plug_host: Callable[[Path], Host]
) -> None:
    sending = asyncio.create_task(line.send(b"ab", chunk=1, every_s=0.1))
    assert await host.read(1) == b"a"
    host.close()
    await line.wait_for_host_close()
    again = plug_host(line.path)
    await line.wait_for_host()

    assert not await sending
    assert await again.nothing_within(0.02)


async def test_large_output_waits_for_host(line: SerialLine, host: Host) -> None:
    much = bytes(range(256)) * 1000
    sending = asyncio.create_task(line.send(much))
    await asyncio.sleep(0.02)
    assert not sending.done()

    assert await host.read(len(much)) == much
    assert await sending


@pytest.mark.parametrize("ending", ["host closes", "unplug", "line closes"])
async def test_blocked_frame_ends_with_its_host(line: SerialLine, host: Host, ending: str) -> None:
    sending = asyncio.create_task(line.send(bytes(256_000)))
    await asyncio.sleep(0.02)
    match ending:
        case "host closes":
            host.close()
        case "unplug":
            line.unplug()
        case _:
            await line.close()

    async with asyncio.timeout(PATIENCE_S):
        assert not await sending


async def test_drained_after_host_has_read(line: SerialLine, host: Host) -> None:
    await line.send(b"frame")
    assert not await line.wait_drained(within_s=0.02)
    await host.read(5)
    assert await line.wait_drained()
    line.unplug()
    assert await line.wait_drained()


async def test_bytes_in_transit_are_unread(line: SerialLine, host: Host) -> None:
    for _ in range(300):  # on an idle machine the kernel passes them on at once, nearly always
        await line.send(b"frame")
        assert line._unread() == 5
        await host.read(5)


async def test_closing_ends_errands(line: SerialLine) -> None:
    ended = asyncio.Event()

    async def unplug_and_replug() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.set()

    line.call_soon(unplug_and_replug())
    await asyncio.sleep(0)
    await line.close()
    assert ended.is_set()
    line.replug()
    assert not line.is_plugged


async def test_device_unplugs_itself_on_input(line: SerialLine, plug_host: Callable[[Path], Host]) -> None:
    line.on_received = lambda _: line.unplug()
    host = plug_host(line.path)
    host.write(b"reset")
    host.close()
    while line.is_plugged:
        await asyncio.sleep(0.001)


async def test_stale_link_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "reader"
    path.symlink_to("/dev/pts/99999")
    async with SerialLine.open_at(path):
        assert path.exists()
    assert not path.is_symlink()


@pytest.mark.parametrize("taken_by", ["file", "link"])
async def test_foreign_path_is_kept(tmp_path: Path, taken_by: str) -> None:
    path = tmp_path / "reader"
    if taken_by == "file":
        path.write_text("precious")
    else:
        path.symlink_to("/dev/null")

    with pytest.raises(LineError, match=r"reader exists and does not belong to a simulator"):
        async with SerialLine.open_at(path):
            pass
    assert path.is_symlink() or path.read_text() == "precious"


async def test_impossible_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LineError, match="cannot make"):
        async with SerialLine.open_at(tmp_path / "file" / "reader"):
            pass


async def test_successor_keeps_its_path(tmp_path: Path) -> None:
    path = tmp_path / "reader"
    async with SerialLine.open_at(path) as old, SerialLine.open_at(path) as new:
        old.unplug()
        assert new.path.exists()


async def test_1000_replugs_leave_nothing(tmp_path: Path) -> None:
    async with SerialLine.open_at(tmp_path / "reader") as line:
        for _ in range(1000):
            line.unplug()
            line.replug()
    assert list(tmp_path.iterdir()) == []
