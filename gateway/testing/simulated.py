"""Criterion: the driver reads what the simulator of its name shows, over the wire."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

from drivers.links.recording.endpoints import endpoint_key, with_endpoint
from drivers.links.recording.recording import Recording
from gateway.testing.acceptance import DriverTrial, Result, held, not_held, not_tried
from gateway.testing.behaviour import OWN_TEST, RECORD
from gateway.testing.playback.expectations import events_of
from gateway.testing.playback.open_driver import OpenDriver, open_driver
from gateway.testing.playback.recorded_device import fault_of, recorded_command
from simulators.errors import SimulatorError
from simulators.registry import parse_settings
from simulators.simulator import Simulator, SimulatorSettings

POSITION = "lane-1/device"
ANSWER_S = 30.0
"""Longest wait for the simulator to be ready, and for the reading."""
ENTRY_POINT = '[project.entry-points."borderpost.simulators"]'


async def reads_simulated_device(trial: DriverTrial) -> Result:
    """Run the simulator, open the driver at it, and let it show one reading."""
    place = endpoint_key(trial.driver_class.settings_model)
    recording = next(iter(trial.recordings.values()), None)
    if recording is None:
        return not_held("Its settings are not known: it has no recording.", RECORD)
    given = recording.settings
    try:
        settings = simulator_settings(trial, given)
    except SimulatorError:
        return not_held(
            f"There is no simulator of the kind {trial.name}.",
            f'Register its settings class: {ENTRY_POINT} {trial.name} = "module:Settings".',
        )
    if place is None or settings is None:
        return not_tried("Its simulator has neither `path` nor `port`.", OWN_TEST)
    async with AsyncExitStack() as stack:
        simulator = settings.build()
        ready = asyncio.get_running_loop().create_future()

        def emit(name: str, details: Mapping[str, Any]) -> None:
            if name == "ready" and not ready.done():
                ready.set_result(dict(details))

        running = asyncio.create_task(simulator.run(emit))
        stack.push_async_callback(_end, running)
        await asyncio.wait([running, ready], timeout=ANSWER_S, return_when=asyncio.FIRST_COMPLETED)
        if not ready.done():
            return not_held("Its simulator does not become ready.", "Emit `ready` in `run`.")
        address = _address(settings, ready.result(), "http" if place == "url" else "tcp")
        if address is None:
            return not_held(
                "Its simulator does not state its port, which was free to choose.",
                'Emit it with `ready`: emit("ready", {"port": self.line.port}).',
            )
        try:
            async with asyncio.timeout(ANSWER_S):
                there = await stack.enter_async_context(
                    open_driver(trial.driver_class, with_endpoint(given, place, address))
                )
                return await _reading(trial, simulator, there, recording)
        except TimeoutError:
            return not_held(
                "It does not read what its simulator shows.",
                "Compare the bytes of both with the protocol's source: `borderpost record`.",
            )
        except SimulatorError as error:
            return not_held(f"Its simulator refuses `insert`: {error}.", "Let `insert` show one reading.")
        except Exception as error:  # noqa: BLE001 - code of another package may fail in any way
            fault = fault_of(error) or f"it fails: {getattr(error, 'cause', '')}"
            return not_held(f"At its simulator {fault}.", "Compare both with the protocol's source.")


async def _reading(
    trial: DriverTrial, simulator: Simulator, there: OpenDriver[Any], recording: Recording
) -> Result:
    wanted = await _reading_type(trial) if recording.commands else None
    showing = asyncio.create_task(_show(simulator))
    asking = asyncio.create_task(_command(there, recording))
    try:
        while True:
            item = await there.said.get()
            if isinstance(item, Exception):
                raise item
            if any(wanted in (None, event["type"]) for event in events_of([item])) and not getattr(
                item, "is_state", False
            ):
                break
    finally:
        await _end(showing)
        await _end(asking)
    if not there.links.is_simulated:
        return not_held(
            "Its link does not notice that the device is simulated.",
            "Use a link of drivers.links: production refuses simulated devices by it.",
        )
    return held(getattr(item, "event_type", ""))


async def _show(simulator: Simulator) -> None:
    """Show readings, because a device may miss the first while its host still opens it."""
    while True:
        await simulator.handle_command("insert", {})
        await asyncio.sleep(1)


async def _reading_type(trial: DriverTrial) -> str | None:
    """Return the event type of the first reading of its recordings."""
    return next((one.event["type"] for one in await trial.played() if one.event is not None), None)


async def _command(there: OpenDriver[Any], recording: Recording) -> None:
    """Send the recorded command again and again: the first may end before the simulator shows anything."""
    while True:
        async with recorded_command(there.driver, recording) as command:
            await asyncio.wait([command])
        await asyncio.sleep(1)


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def simulator_settings(trial: DriverTrial, given: Mapping[str, Any]) -> SimulatorSettings | None:
    """Return settings of the simulator of that name, with those that the driver has too.

    None: its address is neither a path nor a port. Raises SimulatorError where there is no such simulator.
    """
    path = trial.folder / "simulated"
    base = {"name": POSITION, "kind": trial.name}
    shared = {name: value for name, value in given.items() if isinstance(value, str | int | float)}
    for address in ({"path": str(path)}, {"port": 0}):
        for more in (shared, {}):
            try:
                return parse_settings(_fitting(base, {**more, **address}))
            except ValueError:
                continue
    return None


def _fitting(base: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is no setting of the simulator, by the errors of its model."""
    from pydantic import ValidationError

    table = {**base, **more}
    try:
        parse_settings(table)
    except ValidationError as error:
        extra = {each["loc"][0] for each in error.errors() if each["type"] == "extra_forbidden"}
        return {name: value for name, value in table.items() if name not in extra}
    return table


def _address(settings: SimulatorSettings, ready: Mapping[str, Any], scheme: str) -> str | None:
    """Return the address of a ready simulator; None: it has a port, and does not state which."""
    path = getattr(settings, "path", None)
    if path is not None:
        return str(path)
    if ready.get("url"):
        return str(ready["url"])
    port = ready.get("port") or getattr(settings, "port", 0)
    return f"{scheme}://127.0.0.1:{port}" if port else None
