"""Trials of the driver: with its recording, its simulator, and a criterion of its own."""

from pathlib import Path

from acme_scale.driver import Scale
from acme_scale.observations import Weighed
from acme_scale.simulator import ScaleSimulatorSettings
from drivers.links.link import LinkError
from gateway.testing.acceptance import (
    AcceptanceOutcome,
    Criterion,
    DriverTrial,
    Result,
    held,
    judge,
    not_held,
)
from gateway.testing.criteria import CRITERIA, is_accepted
from gateway.testing.leaks import Leftovers
from gateway.testing.packages import find_package
from gateway.testing.playback.expectations import read_expected, read_recording
from gateway.testing.playback.open_driver import OpenDriver, open_driver
from gateway.testing.playback.recorded_device import Patience, recorded_device, run_session
from gateway.testing.playback.umockdev import PictureRun, play_folder
from gateway.testing.run import judge_all
from gateway.testing.stall_free_loop import run_stall_free


async def recorded_mass(file: Path, folder: Path) -> float:
    """Return the mass of the first luggage in a recording."""
    async with (
        recorded_device(read_recording(file), folder, longest_pause_s=0.4) as device,
        open_driver(Scale, device.settings) as scale,
    ):
        if scale.driver.settings.unit != "kg" or scale.identity.model != "scale":
            return 0.0
        return await mass_on(scale)


async def simulated_mass(port: Path) -> float:
    """Return the mass that the simulator puts on the scale."""
    simulator = ScaleSimulatorSettings(name="lane-1/scale", kind="acme-scale", path=port).build()

    async def insert() -> None:
        await simulator.handle_command("insert", {"mass": 20})

    async with open_driver(Scale, {"port": str(port)}, before_watch=insert) as scale:
        return await mass_on(scale)


async def mass_on(scale: OpenDriver[Scale]) -> float:
    """Return the next mass, or raise what ended the driver."""
    seen = await scale.next(Weighed)
    print(seen.mass_lb)  # type: ignore[attr-defined]
    ended = await scale.next(LinkError)
    print(ended.cause, ended.how)
    anything = await scale.next()
    print(anything.mass_kg)  # type: ignore[attr-defined]
    return seen.mass_kg


async def weighs(trial: DriverTrial) -> Result:
    """Judge whether a recording has a mass."""
    for played in await trial.played():
        if any(isinstance(item, Weighed) for item in played.whole.items):
            return held(played.path.name)
    return not_held("No recording has a mass.", "Record a piece of luggage.")


WEIGHS = Criterion("weighs", "It reports masses.", weighs)


async def failed_criteria(folder: Path) -> list[str]:
    """Return the names of the criteria that do not hold."""
    before, package = Leftovers(), find_package("borderpost-acme-scale", (folder,))
    trial = DriverTrial(package, "acme-scale", folder)
    results = {WEIGHS: await judge(WEIGHS, trial)}
    async for criterion, result in judge_all(trial):
        results[criterion] = result
    if is_accepted(results) and not before.new():
        return []
    failed = [one for one, result in results.items() if result.outcome is AcceptanceOutcome.NOT_HELD]
    return [one.name for one in failed if one in CRITERIA or one is WEIGHS]


async def followed(file: Path, folder: Path) -> bool:
    """Return True if a recording gives the events that are beside it."""
    recording, expected = read_recording(file), read_expected(file)
    session = await run_session(Scale, recording, folder, Patience(silence_s=0.4, answer_s=20), expected)
    return session.unfollowed is None and session.observed == expected


def runs(folder: Path) -> tuple[float, list[PictureRun]]:
    """Play recordings in a loop of their own, and a picture through libusb."""
    mass: float = run_stall_free(recorded_mass(folder / "scale.rec", folder))
    return mass, play_folder(folder, "acme-scale", {"port": "usb:1234:5678"}, "acme_scale.hooks:take")


WRONG_DRIVER = open_driver(Weighed, {})  # type: ignore[type-var]
WRONG_RESULT = held(7)  # type: ignore[arg-type]
WRONG_CRITERION = Criterion("weighs", "It reports masses.", mass_on)  # type: ignore[arg-type]
WRONG_CALLBACK = open_driver(Scale, {}, before_watch=dict)  # type: ignore[arg-type]
