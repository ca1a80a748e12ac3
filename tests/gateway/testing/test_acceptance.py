"""Acceptance of a driver of another package: a sound one, and one that misses each criterion."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from support.accepted_package import NAME, Install, install

from gateway.testing import acceptance, behaviour, simulated
from gateway.testing.acceptance import AcceptanceOutcome, Criterion, Result, driver_trial, judge
from gateway.testing.criteria import ADVISED, CRITERIA, grade_by, is_accepted
from gateway.testing.packages import PackageError, find_package
from gateway.testing.playback import replay_player
from gateway.testing.run import judge_all, write_all_expected
from gateway.testing.stall_free_loop import run_stall_free

__all__ = ["install"]

OPENS = 5
ANSWER_S = 0.3
"""Limit of an answer beside stalls, in seconds."""


def result_of(name: str) -> Result:
    return run_stall_free(judged(name))


async def judged(name: str) -> Result:
    criterion = next(one for one in CRITERIA if one.name == name)
    async with driver_trial(find_package(NAME), NAME, OPENS) as trial:
        trial.answer_s = acceptance.ANSWER_S
        return await judge(criterion, trial)


@pytest.mark.long(4)
def test_sound_driver_is_accepted(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(behaviour, "NOISES", 4)
    install()
    found = run_stall_free(results())
    missed = {one.name: result for one, result in found.items() if result.outcome != "held"}
    assert missed.keys() == {"anonymized", "self-test"}, missed
    assert is_accepted(found)
    assert grade_by(found) == "silver"
    assert {one.name for one in ADVISED} > missed.keys()
    assert found[CRITERIA[7]].found == "cut at 5 places"


OVER_TCP = (
    ("from drivers.links.serial import SerialSettings", "from drivers.links.tcp import TcpSettings"),
    ("class ScaleSettings(SerialSettings)", "class ScaleSettings(TcpSettings)"),
    ("self.links.serial(self.settings)", "self.links.tcp(self.settings)"),
    (
        "from simulators.links.serial_line import SerialLine",
        "from simulators.links.tcp_line import TcpLine",
    ),
    ('path: Path = Field(description="Path of its port.")', 'port: int = Field(description="Its port.")'),
    ("SerialLine.open_at(settings.path, look_s=0.005)", "TcpLine.open_at(settings.port)"),
    ('emit("ready", {})', 'emit("ready", {"port": self.line.port})'),
    ("# wire: serial", "# wire: tcp"),
)


@pytest.mark.long(4)
def test_driver_over_tcp_is_tried_as_one_on_a_serial_line(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(behaviour, "NOISES", 4)
    install(*OVER_TCP)
    found = run_stall_free(results())
    missed = {one.name: result for one, result in found.items() if result.outcome != "held"}
    assert missed.keys() == {"anonymized", "self-test"}, missed
    assert grade_by(found) == "silver"
    assert {one.name: result.found for one, result in found.items()}["cut frame"] == "cut at 5 places"


def test_driver_without_gap_setting_has_a_long_silence(install: Install) -> None:
    """The driver has no setting `gap_s`, which would tell how long it waits for the rest of a frame."""
    install(("    gap_s: float = ", "    other_s: float = "), ("self.settings.gap_s", "0.6"))
    assert result_of("cut frame").found == "cut at 5 places"


async def results() -> dict[Criterion, Result]:
    async with driver_trial(find_package(NAME), NAME, OPENS) as trial:
        return {criterion: result async for criterion, result in judge_all(trial)}


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["recording", "cut frame", "simulated"])
def test_stalled_process_does_not_change_the_verdict(
    name: str, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process stands still again and again, for longer than any answer may take."""
    for module in (acceptance, replay_player, simulated):
        monkeypatch.setattr(module, "ANSWER_S", ANSWER_S)
    install()
    assert run_stall_free(beside_stalls(judged(name))).outcome is AcceptanceOutcome.HELD


async def beside_stalls(trial: Coroutine[Any, Any, Result]) -> Result:
    async def stall() -> None:
        while True:
            await asyncio.sleep(0.1)
            time.sleep(1.2 * ANSWER_S)

    stalling = asyncio.create_task(stall())
    try:
        return await trial
    finally:
        stalling.cancel()
        await asyncio.gather(stalling, return_exceptions=True)


SWALLOWED = ("yield BadFrame(fault, wire)", "await self.link.read()")
RAISED = ("yield BadFrame(fault, wire)", "raise ValueError(fault)")
FORGIVING = (
    "class Scale(Driver):",
    """class Forgiving:
    def __init__(self, link):
        self.link = link

    async def read(self):
        try:
            return await self.link.read()
        except LinkError:
            return await asyncio.sleep(3600)


class Scale(Driver):""",
)
ONLY_ONE = (
    '        self.link = await self.links.serial(self.settings)\n        await self.link.write(b"\\x05")',
    """        if Scale.opened:
            raise LinkError(Cause.PORT_HELD, "It is open.", Action.WAIT, "Close the other.")
        Scale.opened += 1
        self.link = await self.links.serial(self.settings)
        await self.link.write(b"\\x05")""",
)
CLOSED = (
    "    async def watch(self):",
    """    opened = 0

    async def close(self):
        Scale.opened -= 1

    async def watch(self):""",
)
AS_LINE = (
    ("0.500 in  02 32 33 2e 34 03", "0.500 in  32 33 2e 34 0a"),
    ("1.000 in  02 37 2e 30 03", "1.000 in  37 2e 30 0a"),
    ("[0-9]{1,3}[.][0-9]", "[0-9]{1,3}([.][0-9])?"),
    ("frames(self.link, ScaleFraming()", "frames(self.link, PlainTextFraming()"),
    ("MASS = ", "from drivers.passport.framings import PlainTextFraming\n\nMASS = "),
)
NO_PORT = (
    "        self.link = await self.links.serial(self.settings)",
    """        if not __import__("os").path.exists(self.settings.port):
            raise OSError("no port")
        self.link = await self.links.serial(self.settings)""",
)


@pytest.mark.parametrize(
    ("name", "changes", "found"),
    [
        ("loads", [('family = Family("scale")', "family = 3")], "driver acme-scale: its family"),
        ("described", [(', description="Silence that ends a frame, in seconds."', "")], "gap_s"),
        ("example", [('driver = "acme-scale"', 'driver = "other"')], "no table"),
        ("source", [("Source: Acme, ", "Acme, ")], "No module of it names the source"),
        ("remedies", [('Action.REPLUG, "Check its cable."', "Action.REPLUG")], "acme_scale.driver:5"),
        ("absent device", [NO_PORT], "it raises OSError instead of a LinkError"),
        ("recording", [('"mass_kg": 23.4', '"mass_kg": 23.5')], "event 2, acme.scale.weighed, differs in"),
        ("recording", [("0.000 out 05", "0.000 out 06")], "does not send the bytes"),
        ("recording", [("# driver: acme-scale", "# driver: other")], "It has no recording."),
        ("recording", [("0.000 out 05", "0.000 out 5")], "scale.rec: line 8"),
        ("recording", [("observation_types = (Weighed,)", "observation_types = ()")],
         "its watch yields Weighed, which is not in its observation_types"),
        ("cut frame", [SWALLOWED], "the next reading is lost"),
        ("cut frame", [RAISED], "it raises ValueError instead of a LinkError"),
        ("cut frame", [*AS_LINE], "a part of it became another reading"),
        ("garbage", [SWALLOWED], "the next reading is lost"),
        ("unplugged", [FORGIVING, ("frames(self.link", "frames(Forgiving(self.link)")], "does not end"),
        ("two devices", [ONLY_ONE, CLOSED], "beside other devices"),
        ("two devices", [("0.000 out 05", "0.000 out 06")], "The driver gets no further"),
        ("no leak", [("0.000 out 05", "0.000 out 06")], "The driver gets no further"),
        ("simulated", [("0223.4", "0223,4")], "does not read what its simulator shows"),
        ("simulated", [*OVER_TCP[:-2], ('emit("ready", {})', 'emit("ready", {"port": 0})')],
         "Its simulator does not state its port"),
        ("simulated", [("[borderpost.simulators]", "[other]")], "no simulator of the kind acme-scale"),
        ("cut frame", [*OVER_TCP, SWALLOWED], "the next reading is lost"),
        ("unplugged", [*OVER_TCP, FORGIVING, ("frames(self.link", "frames(Forgiving(self.link)")],
         "does not end"),
    ],
)  # fmt: skip
def test_fault_is_found(
    name: str,
    changes: list[tuple[str, str]],
    found: str,
    install: Install,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(acceptance, "ANSWER_S", 0.5)
    monkeypatch.setattr(behaviour, "NOISES", 4)
    monkeypatch.setattr(simulated, "ANSWER_S", 0.5)
    monkeypatch.setattr(replay_player, "ANSWER_S", 0.5)
    install(*changes)
    result = result_of(name)
    assert result.outcome is AcceptanceOutcome.NOT_HELD
    assert found in result.found
    assert result.remedy


def test_openings_do_not_wait_for_the_recorded_pauses(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand openings of a camera that took half a second to answer gave no verdict within 400 s."""
    install(("0.010 in ", "0.310 in "))
    paused = []

    async def silence(seconds: float) -> None:
        paused.append(seconds)
        await asyncio.sleep(0)

    monkeypatch.setattr(replay_player, "silence", silence)
    assert result_of("no leak").outcome is AcceptanceOutcome.HELD
    assert len(paused) > OPENS
    assert len([seconds for seconds in paused if seconds > 0.1]) < OPENS


def test_driver_that_needs_the_recorded_pauses_is_opened_with_them(install: Install) -> None:
    """Its identity ends by a silence."""
    read = "                    answer += await self.link.read()"
    by_silence = f"""{read}
                    if answer.endswith(b"s"):
                        try:
                            async with asyncio.timeout(0.05):
                                answer += await self.link.read()
                        except TimeoutError:
                            continue
                        raise LinkError(Cause.NO_RESPONSE, "No scale.", Action.REPLUG, "Check its cable.")"""
    install(("0.010 in  73 63 61", "0.010 in  73\n0.200 in  63 61"), (read, by_silence))
    assert result_of("no leak").outcome is AcceptanceOutcome.HELD


def test_leak_is_counted(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(behaviour, "LEAK_GRACE_S", 0.01)
    write = "        await self.link.write"
    install(
        (write, f"        LEFT.extend(__import__('os').pipe())\n{write}"), ("MASS = ", "LEFT = []\nMASS = ")
    )
    try:
        result = result_of("no leak")
    finally:
        for descriptor in sys.modules["acme_scale.driver"].LEFT:
            os.close(descriptor)
    assert f"{2 * OPENS} descriptors" in result.found


def test_exception_of_driver_is_no_exception_of_the_kit(install: Install) -> None:
    install(("        return Identity(", "        self.close = 3\n        return Identity("))
    result = result_of("cut frame")
    assert "It raises TypeError at open_driver.py:" in result.found


async def test_missing_events_are_written(install: Install) -> None:
    file = install() / "acme_scale/recordings/scale.events.json"
    expected = json.loads(file.read_text())
    file.unlink()
    async with driver_trial(find_package(NAME), NAME) as trial:
        missing = await judge(CRITERIA[6], trial)
        assert "no expected events (scale.events.json)" in missing.found
        assert [path.name for path in await write_all_expected(trial)] == ["scale.rec"]
    assert json.loads(file.read_text()) == expected


async def test_other_folder_has_recordings(install: Install, tmp_path: Path) -> None:
    recordings = install() / "acme_scale/recordings"
    recordings.rename(tmp_path / "elsewhere")
    assert find_package(NAME).recordings == []
    assert [path.name for path in find_package(NAME, (tmp_path / "elsewhere",)).recordings] == ["scale.rec"]


def test_unknown_package_names_those_with_drivers(install: Install) -> None:
    install()
    with pytest.raises(PackageError, match=r"No package named acme .*acme-scale"):
        find_package("acme")
    with pytest.raises(PackageError, match=r"pytest registers no driver.*entry-points"):
        find_package("pytest")
