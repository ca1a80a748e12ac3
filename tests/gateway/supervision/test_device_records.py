"""Records of positions: they outlive a worker and the gateway, and an unreadable one is told as such."""

import os
from pathlib import Path

import pytest

from gateway.ipc.frames import FrameError
from gateway.supervision import device_records
from gateway.supervision.device_records import DeviceRecords

POSITION = "lane-1/barrier"


async def test_record_outlives_the_gateway(tmp_path: Path) -> None:
    records = DeviceRecords(tmp_path / "records")
    assert records.read(POSITION) is None
    for text in ("one", "two"):
        records.write(POSITION, text)
        assert records.read(POSITION) == text
    await records.stop()

    assert DeviceRecords(tmp_path / "records").read(POSITION) == "two"
    file = tmp_path / "records" / "lane-1" / "barrier.json"
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"\xff\xfe", None], ids=["no text", "no file"])
def test_unreadable_record_is_empty(tmp_path: Path, content: bytes | None) -> None:
    """A driver treats a record that it cannot read as if everything in it were set."""
    file = tmp_path / "lane-1" / "barrier.json"
    file.parent.mkdir()
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)

    assert DeviceRecords(tmp_path).read(POSITION) == ""


async def test_refused_record_is_written_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_records, "RETRY_S", 0.01)
    replace, refused = os.replace, []

    def full(source: str, target: str) -> None:
        if len(refused) < 2:
            refused.append(source)
            raise OSError("disk full")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    records = DeviceRecords(tmp_path)
    records.write(POSITION, "one")
    assert records._writing is not None
    await records._writing

    assert DeviceRecords(tmp_path).read(POSITION) == "one"
    assert len(refused) == 2


def test_endless_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FrameError):
        DeviceRecords(tmp_path).write(POSITION, "x" * 20_000)
