"""Framing of Modbus messages: found however they are cut, and never in other bytes."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.links.modbus.framing import (
    SerialResponseReader,
    StreamDesynchronised,
    TcpMessage,
    TcpMessageReader,
    crc16,
    serial_frame,
    tcp_frame,
)
from drivers.links.modbus.pdu import (
    Function,
    Identify,
    ModbusExceptionResponse,
    ModbusRequest,
    ReadBits,
    ReadRegisters,
    WriteCoils,
    WriteSingle,
    parse_response,
)

SENSE = ReadBits(Function.READ_INPUTS, 0, 12)
REQUESTS: Sequence[ModbusRequest[object]] = (
    SENSE,
    ReadBits(Function.READ_COILS, 0, 8),
    ReadRegisters(Function.READ_HOLDING_REGISTERS, 0x1000, 3),
    WriteSingle(Function.WRITE_COIL, 0x0200, 7),
    WriteCoils(0, (False,) * 8),
)
ANSWERS = (
    bytes([2, 2, 0b10100101, 0x0F]),
    bytes([1, 1, 3]),
    bytes([3, 6, 0, 0, 0, 1, 0, 2]),
    bytes.fromhex("0502000007"),
    bytes.fromhex("0f00000008"),
)
WITH_ANSWERS = list(zip(REQUESTS, ANSWERS, strict=True))


def found_in(stream: bytes, unit: int, request: ModbusRequest[object], chunk_bytes: int = 0) -> list[bytes]:
    """Return the responses that are found; `chunk_bytes`: 0 for the whole stream at once."""
    reader = SerialResponseReader(unit, request)
    size = chunk_bytes or max(1, len(stream))
    return [pdu for at in range(0, len(stream), size) for pdu in reader.feed(stream[at : at + size])]


def test_frames_of_manufacturer_are_equal() -> None:
    """Waveshare wiki, Modbus RTU Relay (D): flash-on of channel 0 for 0.7 s, all off by function 0F."""
    flash = serial_frame(1, WriteSingle(Function.WRITE_COIL, 0x0200, 7).pdu)
    assert flash == bytes.fromhex("01 05 02 00 00 07 8D B0")
    assert crc16(flash[:-2]) == flash[-2:]
    assert WriteCoils(0, (False,) * 8).pdu == bytes.fromhex("0f0000000801 00".replace(" ", ""))
    assert WriteCoils(0, (True,) * 9).pdu == bytes.fromhex("0f0000000902ff01")


@pytest.mark.parametrize(("request_", "answer"), WITH_ANSWERS)
@given(
    noise=st.binary(max_size=12) | st.lists(st.sampled_from([1, 2, 3, 5, 15])).map(bytes),
    size=st.integers(0, 5),
)
def test_response_after_noise_is_found(
    noise: bytes, size: int, request_: ModbusRequest[object], answer: bytes
) -> None:
    assert answer in found_in(noise + serial_frame(1, answer), 1, request_, size)


@pytest.mark.parametrize(("request_", "answer"), WITH_ANSWERS)
def test_cut_or_damaged_response_is_ignored(request_: ModbusRequest[object], answer: bytes) -> None:
    frame = serial_frame(1, answer)
    for cut in range(len(frame)):
        assert not found_in(frame[:cut], 1, request_)
        for bit in range(8):
            spoiled = bytearray(frame)
            spoiled[cut] ^= 1 << bit
            assert not found_in(bytes(spoiled), 1, request_)


@pytest.mark.parametrize(("request_", "answer"), WITH_ANSWERS)
def test_response_to_other_request_is_ignored(request_: ModbusRequest[object], answer: bytes) -> None:
    assert not found_in(serial_frame(2, answer), 1, request_)
    for other in REQUESTS:
        found = [parse_response(other, pdu) for pdu in found_in(serial_frame(1, answer), 1, other)]
        assert bool(found) == (other is request_)


def test_write_is_matched_by_its_echo_only() -> None:
    write = WriteSingle(Function.WRITE_COIL, 0x0200, 7)
    for answer in ("0502000008", "0502010007", "0602000007", "050200000700", "05020000"):
        assert parse_response(write, bytes.fromhex(answer)) is None
    assert parse_response(write, write.pdu) is True


def test_values_are_read() -> None:
    assert parse_response(SENSE, ANSWERS[0]) == tuple(map(bool, (1, 0, 1, 0, 0, 1, 0, 1, 1, 1, 1, 1)))
    assert parse_response(REQUESTS[2], ANSWERS[2]) == (0, 1, 2)
    told = bytes.fromhex("2b0e01810000 02 0003414243 0102 5859".replace(" ", ""))
    assert parse_response(Identify(), told) == ("ABC", "XY")


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5, 6, 8, 10, 11, 99])
def test_every_exception_has_a_text(code: int) -> None:
    with pytest.raises(ModbusExceptionResponse, match=rf"\(Modbus exception {code}\)") as refused:
        parse_response(SENSE, bytes([0x82, code]))
    assert refused.value.is_before_execution == (code in (1, 2, 3, 6, 10))


messages = st.lists(
    st.builds(TcpMessage, st.integers(0, 0xFFFF), st.integers(0, 255), st.binary(min_size=1, max_size=253)),
    max_size=4,
)


@given(messages, st.integers(1, 40))
def test_tcp_messages_survive_any_cut(sent: list[TcpMessage], size: int) -> None:
    stream = b"".join(tcp_frame(one.number, one.unit, one.pdu) for one in sent)
    reader = TcpMessageReader()
    chunks = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert [one for chunk in chunks for one in reader.feed(chunk)] == sent


@pytest.mark.parametrize("header", ["0001000100060102", "00010000000001", "000100000100ff", "485454502f312e"])
def test_invalid_header_is_stream_error(header: str) -> None:
    with pytest.raises(StreamDesynchronised):
        list(TcpMessageReader().feed(bytes.fromhex(header)))
