"""Anonymized recordings of scanners, card readers, cameras, barriers: same exchange, no personal data."""

from dataclasses import replace

import pytest
from support.gateway.replaying import ROOT

from drivers.access.osdp.frames import OsdpFrameReader
from drivers.anonymize.anonymizer import anonymize
from drivers.anonymize.osdp import RAW
from drivers.anonymize.pseudonyms import CannotAnonymize
from drivers.fingerprint.zfm.packets import Packet, PacketKind, PacketReader
from drivers.links.framing import DamagedFrame
from drivers.links.recording.endpoints import with_endpoint
from drivers.links.recording.recording import Chunk, Recording
from drivers.links.recording.usb_trace import Transfer, TransferType
from drivers.registry import load_driver


def recorded(name: str) -> tuple[Recording, Recording]:
    """Return a recording of this repository and its anonymized version."""
    original = Recording.from_text((ROOT / name).read_text())
    anonymized = Recording.from_text(anonymize(original).to_text())
    assert [(c.at_s, c.direction, len(c.data)) for c in anonymized.chunks] == [
        (c.at_s, c.direction, len(c.data)) for c in original.chunks
    ]
    return original, anonymized


def sent_bytes(recording: Recording, direction: str = "in") -> bytes:
    return b"".join(chunk.data for chunk in recording.chunks if chunk.direction == direction)


def test_fingerprint_is_blanked() -> None:
    original, anonymized = recorded("fingerprint/zfm.rec")

    before, after = (
        list(PacketReader().feed(sent_bytes(original))),
        list(PacketReader().feed(sent_bytes(anonymized))),
    )
    assert not [packet for packet in after if isinstance(packet, DamagedFrame)]
    assert [packet.kind for packet in after if isinstance(packet, Packet)] == [
        packet.kind for packet in before if isinstance(packet, Packet)
    ]
    pictures = [
        p.content
        for p in after
        if isinstance(p, Packet) and p.kind in (PacketKind.DATA, PacketKind.LAST_DATA)
    ]
    assert len(pictures) > 10
    assert not any(map(any, pictures))
    assert sent_bytes(anonymized, "out") == sent_bytes(original, "out")
    assert anonymized.commands is not None
    assert anonymized.commands[0] == "capture"


def test_card_is_replaced() -> None:
    original, anonymized = recorded("access/osdp.rec")

    def cards(recording: Recording) -> list[bytes]:
        frames = list(OsdpFrameReader().feed(sent_bytes(recording)))
        assert sum(len(frame.wire) for frame in frames) == len(sent_bytes(recording)), "all of them are sound"
        return [frame.wire[6:-2] for frame in frames if frame.code == RAW]

    before, after = cards(original), cards(anonymized)
    assert [card[:4] for card in after] == [card[:4] for card in before]
    assert not {card[4:] for card in after} & {card[4:] for card in before}
    assert sent_bytes(anonymized, "out") == sent_bytes(original, "out")
    with pytest.raises(CannotAnonymize, match="encrypted"):
        anonymize(replace(original, settings={"security": "secure", "key_file": "/dev/null"}))


def test_camera_contents_are_blanked() -> None:
    original, anonymized = recorded("camera/hikvision.rec")

    assert sent_bytes(anonymized, "out") == sent_bytes(original, "out")
    assert set(sent_bytes(anonymized)) <= set(b"200 \n\0")


def test_barrier_recording_is_unchanged() -> None:
    original, anonymized = recorded("barrier/waveshare.rec")

    assert anonymized.chunks == original.chunks
    model = load_driver("modbus-barrier").settings_model
    read, again = (
        model.model_validate(with_endpoint(recording.settings, "board.port", "/dev/null"))
        for recording in (original, anonymized)
    )
    assert again == read


def test_usb_scanner_images_are_blanked() -> None:
    asked = Transfer(1, "submit", TransferType.CONTROL, 0x80, 1, 1, 0, 0, 1, b"\xc0\x04\x07\0\0\0\1\0")
    answer = Transfer(1, "complete", TransferType.CONTROL, 0x80, 1, 1, 0, 0, 1, data=b"\x81")
    finger = Transfer(2, "complete", TransferType.INTERRUPT, 0x81, 1, 1, 0, 0, 4, data=b"\1\1\7\7")
    picture = Transfer(3, "complete", TransferType.BULK, 0x82, 1, 1, 0, 0, 3, data=b"abc")
    recording = Recording("uru4000", {}, "live", entries=[asked, answer, finger, picture], wire="usb")

    assert anonymize(recording).entries == [
        asked,
        answer,
        replace(finger, data=b"\1\1\0\0"),
        replace(picture, data=bytes(3)),
    ]
    with pytest.raises(CannotAnonymize, match="chunks"):
        anonymize(replace(recording, entries=[Chunk(0, "in", b"abc")]))


def test_origin_of_recording_with_gaps_is_kept() -> None:
    original = Recording.from_text((ROOT / "fingerprint/zfm.rec").read_text())
    assert anonymize(replace(original, provenance="live, 3 lost")).provenance == "live"


def test_missing_framing_is_refused() -> None:
    """Only frames that may have any content are replaced: those of another framing would hide a name."""
    recording = Recording("mrz-serial", {"gap_s": 0.5}, "live")
    with pytest.raises(CannotAnonymize, match="framing"):
        anonymize(recording)
