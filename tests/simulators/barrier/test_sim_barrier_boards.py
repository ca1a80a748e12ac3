"""Relay and input boards: effect of messages on each make, by the log and by read-back."""

import pytest
from sim_barrier_fixture import Rig

from simulators.barrier.boards.generic import GenericMap
from simulators.barrier.boards.lcus import Lcus
from simulators.barrier.boards.numato import Numato
from simulators.barrier.faults import ManualLift
from simulators.barrier.modbus.pdu import Function, WriteMany, request_pdu
from simulators.barrier.modbus_site import (
    GenericSettings,
    KMtronicSettings,
    ModbusSettings,
    WaveshareSettings,
    WirenBoardSettings,
)
from simulators.barrier.timeline import ManualClock
from simulators.barrier.wirelog import Cause, Effect, FrameFate, WireLog
from simulators.errors import SimulatorError


def coils(rig: Rig, count: int = 8, unit: int = 1) -> str:
    answer = rig.request(f"010000{count:04x}", unit)
    assert answer is not None
    return f"{int(answer[4:6], 16):0{count}b}"[::-1]


# Waveshare


@pytest.fixture
def waveshare() -> Rig:
    wired = WaveshareSettings(inputs={"key": 0}, contacts={"key": "no"})
    return Rig(ModbusSettings(boards=(wired,)))


@pytest.mark.parametrize(
    ("pdu", "effect", "meaning", "after"),
    [
        ("050003ff00", Effect.ENERGISE, "relay 3 on", "11010000"),
        ("0500000000", Effect.RELEASE, "relay 0 off", "01000000"),
        ("0500005500", Effect.ENERGISE, "relay 0 toggled", "01000000"),
        ("0500025500", Effect.ENERGISE, "relay 2 toggled", "11100000"),
        ("0502020007", Effect.ENERGISE, "relay 2 on for 0.7 s", "11100000"),
        ("0504000003", Effect.ENERGISE, "relay 0 off for 0.3 s", "01000000"),
        ("0f0000000801aa", Effect.ENERGISE, None, "01010101"),
        ("0f000200020103", Effect.ENERGISE, "relay 2 on, relay 3 on", "11110000"),
        ("0f000000020100", Effect.RELEASE, "relay 0 off, relay 1 off", "00000000"),
    ],
)
def test_commands_meaning_and_effect(
    waveshare: Rig, pdu: str, effect: Effect, meaning: str | None, after: str
) -> None:
    waveshare.request("0f000000080103")
    before = len(waveshare.log)
    answer = waveshare.request(pdu)
    assert answer == (pdu if pdu.startswith("05") else pdu[:10])
    (request_frame,) = waveshare.log.after(before).requests
    assert request_frame.effect is effect
    assert meaning in (None, request_frame.meaning)
    assert coils(waveshare) == after


def test_all_relays_at_once(waveshare: Rig) -> None:
    waveshare.request("0500ffff00")
    assert coils(waveshare) == "11111111"
    waveshare.request("0500ff5500")
    assert coils(waveshare) == "00000000"
    waveshare.request("050000ff00")
    waveshare.request("0500ff0000")
    assert coils(waveshare) == "00000000"
    assert [frame.effect for frame in waveshare.log.output_writes] == [
        Effect.ENERGISE,
        Effect.ENERGISE,
        Effect.ENERGISE,
        Effect.RELEASE,
    ]


def test_flash_ends_after_tenths_of_second(waveshare: Rig) -> None:
    waveshare.request("0502050007")
    waveshare.time.advance(0.699)
    assert coils(waveshare)[5] == "1"
    waveshare.time.advance(0.002)
    assert coils(waveshare)[5] == "0"
    on, off = waveshare.log.contacts
    (flash,) = waveshare.log.actuations
    assert (on.relay, on.closed, on.cause, on.request) == (5, True, Cause.COMMAND, flash.number)
    assert (off.closed, off.cause, off.request) == (False, Cause.PULSE_ENDED, flash.number)
    assert off.at_s - on.at_s == pytest.approx(0.7)


def test_flash_restarts_on_command_and_ends_on_off(
    waveshare: Rig,
) -> None:
    waveshare.request("0502000005")
    waveshare.time.advance(0.4)
    waveshare.request("0502000005")
    waveshare.time.advance(0.4)
    assert coils(waveshare)[0] == "1"
    waveshare.request("0500000000")
    assert coils(waveshare)[0] == "0"
    waveshare.request("050000ff00")
    waveshare.time.advance(60)
    assert coils(waveshare)[0] == "1"  # the earlier flash has no effect any more


@pytest.mark.parametrize(
    ("pdu", "code"),
    [
        ("0502000000", 3),
        ("0502008000", 3),
        ("0500001234", 3),
        ("0500000100", 3),
        ("050008ff00", 2),
        ("0502080001", 2),
        ("0503000001", 2),
        ("0502ff0001", 2),
        ("0100010008", 2),
        ("0200080001", 2),
        ("0310080001", 2),
        ("0610000004", 3),
        ("0680000001", 2),
        ("0620000008", 3),
        ("0640000000", 3),
        ("0400000001", 1),
        ("07", 1),
    ],
)
def test_refused_request_moves_nothing(waveshare: Rig, pdu: str, code: int) -> None:
    assert waveshare.request(pdu) == f"{int(pdu[:2], 16) | 0x80:02x}{code:02x}"
    assert not waveshare.log.contacts
    assert not waveshare.log.output_writes
    request, response = waveshare.log.frames
    assert request.meaning.startswith("refused: illegal")
    assert (response.value, response.meaning) == (code, f"exception {code}")


@pytest.mark.parametrize(
    ("mode", "on_close", "on_open"), [(0, "0", "0"), (1, "1", "0"), (2, "1", "1"), (3, "1", "0")]
)
def test_inputs_drive_relays_in_other_modes(waveshare: Rig, mode: int, on_close: str, on_open: str) -> None:
    waveshare.request(f"061000{mode:04x}")
    assert waveshare.request("0310000001") == f"0302{mode:04x}"
    waveshare.barrier.set_key(True)
    assert coils(waveshare)[0] == on_close
    waveshare.barrier.set_key(False)
    assert coils(waveshare)[0] == on_open
    assert all(contact.cause is Cause.INPUT for contact in waveshare.log.contacts)
    assert not waveshare.log.output_writes
    assert waveshare.log.requests[0].effect is Effect.CONFIGURE


def test_modes_set_together_survive_power_loss(waveshare: Rig) -> None:
    modes = request_pdu(WriteMany(Function.WRITE_MULTIPLE_REGISTERS, 0x1000, (1, 2, 3, 0, 0, 0, 0, 0)))
    assert waveshare.request(modes.hex()) == "1010000008"
    waveshare.site.cut_power("boards")
    waveshare.site.restore_power("boards")
    assert waveshare.request("0310000003") == "0306000100020003"


def test_address_and_version_by_broadcast(waveshare: Rig) -> None:
    assert waveshare.request("0340000001", unit=0) == "03020001"
    assert waveshare.request("0380000001") == "03020064"
    assert waveshare.log.responses[0].unit == 1


def test_broadcast_write_has_no_answer(waveshare: Rig) -> None:
    assert waveshare.request("050001ff00", unit=0) is None
    assert coils(waveshare) == "01000000"
    assert len(waveshare.log.actuations) == 1


def test_address_and_rate_apply_at_once(waveshare: Rig) -> None:
    assert waveshare.request("0640000005") == "0640000005"
    assert waveshare.request("0100000008") is None
    assert waveshare.request("0100000008", unit=5) == "010100"
    waveshare.request("0620000105", unit=5)
    assert waveshare.site.bus.boards[0].baud == 115200


# Wiren Board


def test_wirenboard_inputs_have_a_gap() -> None:
    wired = WirenBoardSettings(model="wirenboard-6", inputs={"closed-limit": 5, "fire": 6})
    rig = Rig(ModbusSettings(boards=(wired,)))
    assert rig.request("0200000006") == "020120"
    assert rig.request("0200070001") == "020101"
    assert rig.request("0200000007") == "8202"
    assert rig.request("0200060001") == "8202"


def test_wirenboard_safe_mode_releases_relays() -> None:
    rig = Rig(ModbusSettings(boards=(WirenBoardSettings(model="wirenboard-6"),)))
    assert rig.request("0300060001") == "03020000"
    assert rig.request("0300080001") == "03020000"
    assert rig.request("0600080002") == "0600080002"
    assert rig.request("0603ac0001") == "0603ac0001"
    rig.request("050002ff00")
    rig.request("050003ff00")
    for _ in range(5):
        rig.time.advance(1.9)
        assert coils(rig, 6) == "001100"  # reading restarts the time-out
    rig.time.advance(2.1)
    assert coils(rig, 6) == "000100"  # from the factory, safe mode changes no output
    assert rig.log.contacts[-1].cause is Cause.WATCHDOG


@pytest.mark.parametrize(("mode", "after"), [(0, "11"), (1, "01"), (3, "00")])
def test_wirenboard_input_drives_output(mode: int, after: str) -> None:
    """From the factory (mode 0), the boom's limit switches operate its relays."""
    wires = {"inputs": {"open-limit": 0, "closed-limit": 1}}
    rig = Rig(ModbusSettings(boards=(WirenBoardSettings(model="wirenboard-6", **wires),)))
    for register in (9, 10):
        rig.request(f"0600{register:02x}{mode:04x}")
    rig.site.inject(ManualLift(over_s=1))
    rig.time.advance(2)
    rig.site.inject(ManualLift(to=0, over_s=1))
    rig.time.advance(2)
    assert coils(rig, 6)[:2] == after


def test_wirenboard_without_safe_mode_holds() -> None:
    rig = Rig(ModbusSettings(boards=(WirenBoardSettings(model="wirenboard-6"),)))
    rig.request("050002ff00")
    rig.time.advance(3600)
    assert coils(rig, 6) == "001000"


@pytest.mark.parametrize(("restore", "after"), [(0, "000000"), (1, "010000")])
def test_wirenboard_after_power(restore: int, after: str) -> None:
    rig = Rig(ModbusSettings(boards=(WirenBoardSettings(model="wirenboard-6"),)))
    rig.request(f"060006{restore:04x}")
    rig.request("050001ff00")
    rig.site.cut_power("boards")
    assert rig.request("0100000006") is None
    rig.site.restore_power("boards")
    assert coils(rig, 6) == after


def test_wirenboard_has_no_flash_and_no_toggle() -> None:
    rig = Rig(ModbusSettings(boards=(WirenBoardSettings(model="wirenboard-6"),)))
    assert rig.request("0502000007") == "8502"
    assert rig.request("0500005500") == "8503"
    assert rig.request("0600060002") == "8603"
    assert rig.request("0300c80006") == "030c" + "".join(f"{ord(letter):04x}" for letter in "WBMR6C")
    assert not rig.log.contacts


# KMtronic, and two boards on one bus


def test_kmtronic_has_relays_only() -> None:
    rig = Rig(ModbusSettings(boards=(KMtronicSettings(model="kmtronic-8"),)))
    assert rig.request("050007ff00") == "050007ff00"
    assert coils(rig) == "00000001"
    assert rig.request("0f0000000801 00".replace(" ", "")) == "0f00000008"
    assert rig.request("0502000007") == "8502"
    for pdu in ("0200000008", "0300000001", "0600000001"):
        assert rig.request(pdu) == f"{int(pdu[:2], 16) | 0x80:02x}01"


def test_relays_and_inputs_on_two_boards() -> None:
    rig = Rig(
        ModbusSettings(
            boards=(
                KMtronicSettings(model="kmtronic-8", unit=1, outputs={"open": 0, "close": 1}),
                GenericSettings(model="generic", unit=2, inputs={"open-limit": 0, "closed-limit": 1}),
            )
        )
    )
    assert rig.request("0200000002", unit=2) == "020102"
    rig.request("050000ff00")
    rig.time.advance(3)
    assert rig.request("0200000002", unit=2) == "020101"
    assert rig.request("0100000001", unit=3) is None
    assert rig.log.requests[-1].fate is FrameFate.NOT_OURS


# Any make


def test_generic_input_register_and_pulse() -> None:
    layout = GenericMap(
        relays=4, inputs=20, inputs_as="input-register", inputs_at=0x100, pulse_at=0x40, pulse_unit_s=0.01
    )
    board = GenericSettings(model="generic", map=layout, outputs={"open": 1}, inputs={"open-limit": 17})
    rig = Rig(ModbusSettings(boards=(board,)))
    assert rig.request("0401000002") == "040400000000"
    assert rig.request("0600410032") == "0600410032"
    (pulse,) = rig.log.actuations
    assert pulse.meaning == "relay 1 on for 0.5 s"
    rig.time.advance(3)
    assert not rig.site.boards[0].relays.is_closed(1)
    assert rig.request("0401000002") == "040400000002"
    assert rig.request("0401010001") == "04020002"
    assert rig.request("0401010002") == "8402"
    assert rig.request("0600410000") == "0600410000"
    assert rig.log.requests[-1].effect is Effect.RELEASE


def test_generic_watchdog_and_moved_coils() -> None:
    layout = GenericMap(
        relays=2,
        relays_at=0x10,
        inputs=2,
        inputs_at=0x20,
        inputs_as="coils",
        watchdog_at=7,
        watchdog_unit_s=0.1,
    )
    board = GenericSettings(model="generic", map=layout, inputs={"key": 1}, contacts={"key": "no"})
    rig = Rig(ModbusSettings(boards=(board,)))
    assert rig.request("060007000a") == "060007000a"
    assert rig.request("050011ff00") == "050011ff00"
    assert rig.request("0100100002") == "010102"
    rig.barrier.set_key(True)
    assert rig.request("0100200002") == "010102"
    assert rig.request("0300070001") == "0302000a"
    assert rig.request("0100000001") == "8102"
    rig.time.advance(1.1)
    assert rig.log.contacts[-1].cause is Cause.WATCHDOG
    with pytest.raises(ValueError, match="same coils"):
        GenericMap(inputs_as="coils")


# Boards with their own serial port


def numato(relays: int = 8) -> Numato:
    time = ManualClock()
    board = Numato(relays, 4, time, WireLog(time))
    board.sense = lambda channel: channel == 2
    return board


def feed(board: Numato | Lcus, data: bytes) -> bytes:
    return b"".join(command.perform(0) for command in board.feed(data) if command.perform)


def test_numato_echo_answer_and_prompt() -> None:
    board = numato()
    assert feed(board, b"relay on 3\r") == b"relay on 3\n\r>"
    assert feed(board, b"relay read 3\r") == b"relay read 3\n\ron\n\r>"
    assert feed(board, b"relay readall\r") == b"relay readall\n\r08\n\r>"
    assert feed(board, b"relay off 3\rrelay read 3\r").endswith(b"off\n\r>")
    assert feed(board, b"relay writeall 81\r") == b"relay writeall 81\n\r>"
    assert board.relays.coils == [True, False, False, False, False, False, False, True]
    assert feed(board, b"reset\r") == b"reset\n\r>"
    assert not any(board.relays.coils)
    assert feed(board, b"gpio read 2\r") == b"gpio read 2\n\r1\n\r>"
    assert feed(board, b"gpio read 1\r") == b"gpio read 1\n\r0\n\r>"
    assert feed(board, b"id set BARRIER1\rid get\r").endswith(b"id get\n\rBARRIER1\n\r>")
    assert b"0" in feed(board, b"ver\r")
    assert feed(board, b"\r") == b"\n\r>"


@pytest.mark.parametrize(
    "command",
    [b"relay on 8", b"relay on", b"relay on 33", b"relay writeall 1", b"RELAY ON 1", b"gpio read 4"],
)
def test_numato_ignores_unknown_commands(command: bytes) -> None:
    board = numato()
    assert feed(board, command + b"\r") == command + b"\n\r>"
    assert not any(board.relays.coils)


def test_numato_relays_above_nine_have_letters() -> None:
    board = numato(32)
    feed(board, b"relay on A\rrelay on V\r")
    assert feed(board, b"relay readall\r") == b"relay readall\n\r80000400\n\r>"


def test_numato_any_pieces_and_overlong_line() -> None:
    board = numato()
    for letter in b"relay on 0":
        assert not list(board.feed(bytes([letter])))
    (command,) = board.feed(b"\r")
    assert (command.effect, command.meaning) == (Effect.ENERGISE, "relay 0 on")
    (flood,) = board.feed(b"x" * 100)
    assert flood.perform is None


def test_lcus_obeys_without_a_word() -> None:
    time = ManualClock()
    board = Lcus(2, time, WireLog(time))
    assert feed(board, bytes.fromhex("A00101A2")) == b""
    assert feed(board, bytes.fromhex("A00201A3")) == b""
    assert board.relays.coils == [True, True]
    assert feed(board, bytes.fromhex("A00100A1")) == b""
    assert board.relays.coils == [False, True]


def test_lcus_skips_noise_and_wrong_sums() -> None:
    time = ManualClock()
    board = Lcus(2, time, WireLog(time))
    heard = bytes.fromhex("00FF A0A00101A2 A00101A3 A00301A4 A00202A4".replace(" ", ""))
    found = [command for at in range(len(heard)) for command in board.feed(heard[at : at + 1])]
    assert b"".join(command.wire for command in found) == heard
    assert [command.wire.hex() for command in found if command.effect is not Effect.NONE] == ["a00101a2"]
    assert [command.meaning for command in found if command.perform and command.effect is Effect.NONE] == [
        "channel 3, operation 1",
        "channel 2, operation 2",
    ]


# Wires


@pytest.mark.parametrize(
    ("wires", "message"),
    [
        ({"inputs": {"nonsense": 0}}, "inputs: nonsense is not one of open-limit"),
        ({"inputs": {"fire": 8}}, "inputs: fire = 8: it has 8 inputs"),
        ({"outputs": {"raise": 0}}, "outputs: raise is not one of open, close, stop"),
        ({"outputs": {"open": 9}}, "outputs: open = 9: it has 8 relays"),
    ],
)
def test_unknown_wires_are_refused(wires: dict[str, dict[str, int]], message: str) -> None:
    with pytest.raises(SimulatorError, match=message):
        Rig(ModbusSettings(boards=(WaveshareSettings(**wires),)))


@pytest.mark.parametrize(
    ("wires", "message"),
    [
        ({"inputs": {"fire": 1, "key": 1}}, "inputs: two of them have the same channel"),
        ({"outputs": {"open": 1, "close": 1}}, "outputs: two of them have the same channel"),
        ({"contacts": {"fire": "no"}}, "contacts: fire is neither"),
    ],
)
def test_impossible_wiring_is_refused(wires: dict[str, dict[str, int]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        WaveshareSettings(**wires)


@pytest.mark.parametrize(("kind", "quiet", "active"), [("no", 0, 1), ("nc", 1, 0)])
def test_both_kinds_of_contact(kind: str, quiet: int, active: int) -> None:
    rig = Rig(ModbusSettings(boards=(WaveshareSettings(inputs={"key": 3}, contacts={"key": kind}),)))
    assert rig.inputs() == {"key": quiet}
    rig.barrier.set_key(True)
    assert rig.inputs() == {"key": active}
