"""The simulators' own Modbus: messages and framings, by the specification's vectors and by property."""

import contextlib

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from simulators.barrier.modbus.framing import CompleteMessage, InvalidBytes
from simulators.barrier.modbus.mbap import MbapFraming, MbapReader
from simulators.barrier.modbus.pdu import (
    ExceptionCode,
    Function,
    Identify,
    ModbusRefusal,
    Read,
    Request,
    WriteMany,
    WriteOne,
    bits_answer,
    exception_answer,
    identification_answer,
    read_answer,
    read_request,
    registers_answer,
    request_pdu,
    request_size,
    write_answer,
)
from simulators.barrier.modbus.rtu import RtuFraming, crc16, read_frames, silence_s

BRIEFLY = settings(max_examples=40)
WORDS = st.integers(0, 0xFFFF)


def spans(most: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.integers(1, most).flatmap(lambda n: st.tuples(st.integers(0, 0x10000 - n), st.just(n)))


READS = st.one_of(
    st.builds(
        lambda function, span: Read(function, *span),
        st.sampled_from([Function.READ_COILS, Function.READ_DISCRETE_INPUTS]),
        spans(2000),
    ),
    st.builds(
        lambda function, span: Read(function, *span),
        st.sampled_from([Function.READ_HOLDING_REGISTERS, Function.READ_INPUT_REGISTERS]),
        spans(125),
    ),
)
WRITES = st.one_of(
    st.builds(
        WriteOne,
        st.sampled_from([Function.WRITE_SINGLE_COIL, Function.WRITE_SINGLE_REGISTER]),
        WORDS,
        WORDS,
    ),
    st.builds(
        lambda address, bits: WriteMany(Function.WRITE_MULTIPLE_COILS, address, tuple(bits)),
        st.integers(0, 0xF000),
        st.lists(st.integers(0, 1), min_size=1, max_size=1968),
    ),
    st.builds(
        lambda address, words: WriteMany(Function.WRITE_MULTIPLE_REGISTERS, address, tuple(words)),
        st.integers(0, 0xF000),
        st.lists(WORDS, min_size=1, max_size=123),
    ),
)
REQUESTS = st.one_of(READS, WRITES, st.builds(Identify, st.integers(0, 255), st.integers(0, 255)))
FRAMES = st.tuples(st.integers(0, 255), st.binary(min_size=1, max_size=253), WORDS)


# Messages


@BRIEFLY
@given(REQUESTS)
def test_request_round_trip(request: Request) -> None:
    pdu = request_pdu(request)
    assert read_request(pdu) == request
    assert request_size(pdu) == len(pdu) <= 253


@BRIEFLY
@given(REQUESTS, st.data())
def test_truncated_or_long_request_is_refused(request: Request, data: st.DataObject) -> None:
    pdu = request_pdu(request)
    cut = data.draw(st.integers(1, len(pdu) - 1))
    for damaged in (pdu[:cut], pdu + b"\0"):
        with pytest.raises(ModbusRefusal):
            read_request(damaged)


@BRIEFLY
@given(st.binary(max_size=300))
def test_any_bytes_are_parsed_or_refused(pdu: bytes) -> None:
    with contextlib.suppress(ModbusRefusal):
        assert request_pdu(read_request(pdu))[:5] == pdu[:5]


@pytest.mark.parametrize(
    ("pdu", "code"),
    [
        ("", ExceptionCode.ILLEGAL_FUNCTION),
        ("070000", ExceptionCode.ILLEGAL_FUNCTION),
        ("2b0d0100", ExceptionCode.ILLEGAL_FUNCTION),
        ("0100000000", ExceptionCode.ILLEGAL_DATA_VALUE),
        ("01000007d1", ExceptionCode.ILLEGAL_DATA_VALUE),
        ("030000007e", ExceptionCode.ILLEGAL_DATA_VALUE),
        ("01ffff0002", ExceptionCode.ILLEGAL_DATA_ADDRESS),
        ("0f0000000802ff00", ExceptionCode.ILLEGAL_DATA_VALUE),
        ("0f0000000801", ExceptionCode.ILLEGAL_DATA_VALUE),
        ("10000000010100", ExceptionCode.ILLEGAL_DATA_VALUE),
    ],
)
def test_forbidden_requests_have_their_code(pdu: str, code: ExceptionCode) -> None:
    with pytest.raises(ModbusRefusal) as refused:
        read_request(bytes.fromhex(pdu))
    assert refused.value.code is code


def test_messages_match_specification() -> None:
    # Modbus Application Protocol V1.1b3, the examples of sections 6.1, 6.3, 6.5, 6.11 and 6.12.
    coils = read_request(bytes.fromhex("0100130013"))
    assert coils == Read(Function.READ_COILS, 0x13, 0x13)
    bits = [1, 0, 1, 1, 0, 0, 1, 1, 1, 1, 0, 1, 0, 1, 1, 0, 1, 0, 1]
    assert bits_answer(coils, bits) == bytes.fromhex("0103cd6b05")
    registers = read_request(bytes.fromhex("03006b0003"))
    assert registers_answer(registers, [0x022B, 0, 0x64]) == bytes.fromhex("0306022b00000064")
    assert read_request(bytes.fromhex("0500acff00")) == WriteOne(Function.WRITE_SINGLE_COIL, 0xAC, 0xFF00)
    several = read_request(bytes.fromhex("0f0013000a02cd01"))
    assert several == WriteMany(Function.WRITE_MULTIPLE_COILS, 0x13, (1, 0, 1, 1, 0, 0, 1, 1, 1, 0))
    assert write_answer(several) == bytes.fromhex("0f0013000a")
    words = read_request(bytes.fromhex("100001000204000a0102"))
    assert words == WriteMany(Function.WRITE_MULTIPLE_REGISTERS, 1, (0x0A, 0x0102))


@BRIEFLY
@given(READS, st.data())
def test_answer_has_the_values(request: Read, data: st.DataObject) -> None:
    each = st.integers(0, 1) if request.of_bits else WORDS
    values = data.draw(st.lists(each, min_size=request.count, max_size=request.count))
    answer = (bits_answer if request.of_bits else registers_answer)(request, values)
    assert read_answer(request, answer) == tuple(values)
    assert len(answer) <= 253
    with pytest.raises(ValueError, match="answer"):
        read_answer(request, answer + b"\0")


@BRIEFLY
@given(WRITES, st.sampled_from(list(ExceptionCode)))
def test_write_is_echoed_or_refused(request: WriteOne | WriteMany, code: ExceptionCode) -> None:
    assert read_answer(request, write_answer(request)) == ()
    with pytest.raises(ModbusRefusal) as refused:
        read_answer(request, exception_answer(request.function, code))
    assert refused.value.code is code


def test_identification_of_all_or_one_object() -> None:
    objects = {0: "maker", 1: "board"}
    assert (
        identification_answer(Identify(1, 0), objects) == b"\x2b\x0e\x01\x81\0\0\x02\0\x05maker\x01\x05board"
    )
    assert identification_answer(Identify(4, 1), objects) == b"\x2b\x0e\x04\x81\0\0\x01\x01\x05board"
    for wrong in (Identify(4, 9), Identify(7, 0)):
        with pytest.raises(ModbusRefusal):
            identification_answer(wrong, objects)


# TCP


@BRIEFLY
@given(st.lists(FRAMES, max_size=6), st.lists(st.integers(1, 40), min_size=1, max_size=40))
def test_stream_in_any_pieces(frames: list[tuple[int, bytes, int]], cuts: list[int]) -> None:
    stream = b"".join(MbapFraming().frame(*frame) for frame in frames)
    reader, found, at, turn = MbapReader(), [], 0, 0
    while at < len(stream):
        size = cuts[turn % len(cuts)]
        found += reader.feed(stream[at : at + size])
        at, turn = at + size, turn + 1
    assert [(m.unit, m.pdu, m.tag) for m in found if isinstance(m, CompleteMessage)] == frames
    assert len(found) == len(frames)
    assert b"".join(m.wire for m in found) == stream
    assert reader.pending_bytes == b""


@pytest.mark.parametrize("header", ["000100010006", "000100000001", "0001000000ff", "000100000000"])
def test_invalid_header_loses_stream(header: str) -> None:
    good = MbapFraming().frame(1, b"\x01\0\0\0\x08", 1)
    reader = MbapReader()
    found = list(reader.feed(good + bytes.fromhex(header) + b"\x01" + good))
    assert isinstance(found[0], CompleteMessage)
    assert isinstance(found[1], InvalidBytes)
    assert list(reader.feed(good)) == []


# The serial line


@pytest.mark.parametrize(
    "frame",
    [  # as the makers' manuals have them
        "01050200000 78DB0", "010500 00FF008C3A", "01050000 0000CDCA", "0101000000083DCC", "01020000000879CC",
        "0003400000 01901B", "0006200000 0543D8", "010F0000000801FFBED5", "018503 0291",
    ],
)  # fmt: skip
def test_checksums_match_manuals(frame: str) -> None:
    wire = bytes.fromhex(frame.replace(" ", ""))
    assert RtuFraming().frame(wire[0], wire[1:-2]) == wire
    assert read_frames(wire) == [CompleteMessage(wire[0], wire[1:-2], wire)]


@BRIEFLY
@given(st.integers(0, 255), REQUESTS)
def test_frame_between_silences_is_message(unit: int, request: Request) -> None:
    pdu = request_pdu(request)
    wire = RtuFraming().frame(unit, pdu)
    assert read_frames(wire) == [CompleteMessage(unit, pdu, wire)]


@BRIEFLY
@given(st.integers(0, 255), READS, st.data())
def test_two_flipped_bits_are_detected(unit: int, request: Read, data: st.DataObject) -> None:
    wire = RtuFraming().frame(unit, request_pdu(request))
    bits = data.draw(st.sets(st.integers(0, 8 * len(wire) - 1), min_size=1, max_size=2))
    damaged = bytearray(wire)
    for bit in bits:
        damaged[bit // 8] ^= 1 << bit % 8
    assert read_frames(bytes(damaged)) == [InvalidBytes("wrong CRC", bytes(damaged))]


@BRIEFLY
@given(st.lists(st.tuples(st.integers(0, 255), REQUESTS), min_size=1, max_size=4))
def test_joined_frames_are_all_found(frames: list[tuple[int, Request]]) -> None:
    wires = [RtuFraming().frame(unit, request_pdu(request)) for unit, request in frames]
    assert [found.wire for found in read_frames(b"".join(wires))] == wires


@BRIEFLY
@given(st.binary(min_size=1, max_size=12), READS)
def test_noise_invalidates_joined_frame(noise: bytes, request: Read) -> None:
    wire = noise + RtuFraming().frame(1, request_pdu(request))
    assume(crc16(wire[:-2]) != wire[-2:])
    assert read_frames(wire) == [InvalidBytes("wrong CRC", wire)]


def test_silence_is_three_and_half_characters() -> None:
    assert silence_s(9600) == pytest.approx(4.01e-3, abs=1e-5)
    assert silence_s(115200) == 1.75e-3
