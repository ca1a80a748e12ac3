"""Records of positions: they outlive a worker and the gateway, and an unreadable one is told as such."""

import asyncio
import errno
import os
from pathlib import Path

import pytest

from gateway.common.problems import Problems
from gateway.ipc.frames import FrameError
from gateway.supervision import device_records
from gateway.supervision.device_records import RECORD_NOT_WRITTEN, DeviceRecords

POSITION = "lane-1/barrier"


async def test_record_outlives_the_gateway(tmp_path: Path) -> None:
    records = DeviceRecords(tmp_path / "records")
    assert await records.read(POSITION) is None
    for text in ("one", "two"):
        records.write(POSITION, text)
        assert await records.read(POSITION) == text
    await records.stop()

    assert await DeviceRecords(tmp_path / "records").read(POSITION) == "two"
    file = tmp_path / "records" / "lane-1" / "barrier.json"
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"\xff\xfe", None], ids=["no text", "no file"])
async def test_unreadable_record_is_empty(tmp_path: Path, content: bytes | None) -> None:
    """A driver treats a record that it cannot read as if everything in it were set."""
    file = tmp_path / "lane-1" / "barrier.json"
    file.parent.mkdir()
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)

    assert await DeviceRecords(tmp_path).read(POSITION) == ""


def refuse(monkeypatch: pytest.MonkeyPatch, times: int = 1000) -> list[str]:
    """Let the disk refuse whole files so many times; return the files that it has refused."""
    write_whole, refused = device_records.write_whole, []

    def full(file: Path, *args: object) -> None:
        if len(refused) < times:
            refused.append(str(file))
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write_whole(file, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(device_records, "write_whole", full)
    return refused


@pytest.fixture
def problems() -> Problems:
    return Problems(lambda: None)


async def test_refused_record_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problems: Problems
) -> None:
    monkeypatch.setattr(device_records, "RETRY_S", 0.01)
    refused = refuse(monkeypatch, times=2)
    records = DeviceRecords(tmp_path, problems)
    records.write(POSITION, "one")
    assert records._writing is not None
    while not problems.active():
        await asyncio.sleep(0.001)
    (problem,) = problems.active()
    assert POSITION in problem.text
    assert os.strerror(errno.ENOSPC) in problem.text
    assert "df" in problem.how
    await records._writing

    assert problems.active() == ()
    assert len(refused) == 2
    assert await DeviceRecords(tmp_path).read(POSITION) == "one"


async def test_refused_record_is_not_trusted_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk accepts files again after the restart: the old record must not pass for the last one."""
    records = DeviceRecords(tmp_path)
    records.write(POSITION, "no emergency")
    await records.stop()
    with monkeypatch.context() as full:
        refuse(full)
        records.write(POSITION, "emergency")
        await records.stop()

    assert await DeviceRecords(tmp_path).read(POSITION) == ""


async def test_disk_refusing_at_the_start_loses_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problems: Problems
) -> None:
    """The disk has turned read-only, so an earlier run may have had more than its record says."""
    records = DeviceRecords(tmp_path)
    records.write(POSITION, "no emergency")
    await records.stop()
    refuse(monkeypatch)

    assert await DeviceRecords(tmp_path, problems).read(POSITION) == ""
    assert [problem.cause for problem in problems.active()] == [RECORD_NOT_WRITTEN]


def test_endless_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FrameError):
        DeviceRecords(tmp_path).write(POSITION, "x" * 20_000)


async def test_record_is_confirmed_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_records, "RETRY_S", 0.01)
    refused = refuse(monkeypatch, times=2)
    confirmed: list[int] = []
    records = DeviceRecords(tmp_path)
    file = tmp_path / f"{POSITION}.json"

    def confirm(number: int) -> None:
        assert len(refused) == 2
        assert file.read_text("utf-8") == "two"
        confirmed.append(number)

    for number, text in ((1, "one"), (2, "two")):
        records.write(POSITION, text, lambda number=number: confirm(number))  # type: ignore[misc]
    while not confirmed:
        await asyncio.sleep(0.001)
    assert confirmed == [2]
