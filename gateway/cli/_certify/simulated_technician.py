"""Technician at a simulated device: tasks are performed by the control socket of a simulated post."""

import itertools
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gateway.cli._certify.criteria import FORMATS
from gateway.cli._certify.technician import Action, Stopped, Task

OFF_S, SERVICE_OFF_S = 2.0, 15.0
"""Time without cable or power of a device, and of one that is polled over HTTP, in seconds."""
PLUG_POLL_S, PLUG_POLLS = 0.02, 500
RETRIES = 3
"""Number of times that an attempt without a result is repeated."""
TOUCH_S = 8.0
CARD = "0badc0de"
"""Number of the presented card, in hexadecimal."""
SERVICE_DIES = {"fault": "service-dies"}
CABLE_FAULTS: dict[str, dict[str, Any]] = {
    "anpr-dahua": SERVICE_DIES,
    "anpr-hikvision": SERVICE_DIES,
    "camera-onvif": SERVICE_DIES,
    "camera-rtsp": SERVICE_DIES,
    "camera-snapshot": SERVICE_DIES,
    "desko": {"fault": "reader-unplugged"},
    "document-bridge": {"fault": "reader-unplugged"},
    "regula-server": {"fault": "reader-unplugged"},
    "ws-bd": {**SERVICE_DIES, "capturing": False},
}
"""Fault of a pulled cable by kind of simulator, with its arguments; `unplug` for all others."""
POWER_FAULTS = {"modbus-barrier": {"fault": "power-cut"}, "serial-relay": {"fault": "power-cut"}}
"""Fault of a power cut, where it is another one."""


class SimulatedTechnician:
    """Technician of one simulated device. Raises Stopped where the simulated post refuses a request."""

    def __init__(self, socket: Path, position: str) -> None:
        from simulators.errors import SimulatorError
        from simulators.post import send_command_blocking

        self._send, self._errors = send_command_blocking, SimulatorError
        self._socket, self._position = socket, position
        listed = {each["name"]: each["kind"] for each in self._request({"do": "list"})["simulators"]}
        if position not in listed:
            raise Stopped(f"{socket} has no simulated device {position}.")
        self._kind = listed[position]
        self._plugged_s = 0.0
        """Time at which it is plugged in again, by the monotonic clock."""
        self._formats = itertools.cycle(FORMATS)
        self._retries = 0

    def say(self, text: str) -> None:
        """Ignore it."""

    def begin(self, task: Task) -> None:
        """Perform the task."""
        match task.action:
            case Action.PRESENT:
                self._insert(self._specimen(task.format))
            case Action.TOUCH if self._kind == "osdp-reader":
                self._insert({"card": CARD})
            case Action.TOUCH:
                self._insert({"finger": 1, "for_s": TOUCH_S})

    def do(self, task: Task) -> bool:
        """Perform the task."""
        cable = CABLE_FAULTS.get(self._kind, {"fault": "unplug"})
        match task.action:
            case Action.PRESENT_AND_PULL if self._kind == "serial-mrz":
                self._lose({"fault": "cut", "at": 20, "unplug": True})
                self._insert(self._specimen())
            case Action.PULL | Action.PRESENT_AND_PULL:
                self._lose(cable)
            case Action.PLUG_AND_PULL:
                self._wait_plugged()
                self._lose(cable)
            case Action.POWER_OFF:
                self._lose(POWER_FAULTS.get(self._kind, cable))
            case Action.PLUG | Action.POWER_ON:
                self._wait_plugged()
            case Action.LOAD | Action.ALLOW_LOSS | Action.TAKE_CHIP:
                pass
            case _:
                self.begin(task)
        return True

    def try_again(self, text: str) -> bool:
        """Try again a few times."""
        del text
        self._retries += 1
        return self._retries % (RETRIES + 1) != 0

    def count(self, question: str, least: int) -> int:
        """Return the counted number: each presentation was seen."""
        del question
        return least

    def _specimen(self, name: str = "") -> dict[str, Any]:
        """Return ICAO's specimen of a format, or of another one each time.

        A reader with a slot takes the same document for one that still lies there.
        """
        from simulators.mrz import Format
        from simulators.specimens import ERIKSSON

        fields = asdict(ERIKSSON[Format((name or next(self._formats)).upper())])
        return {"format": fields.pop("format"), "fields": fields}

    def _insert(self, arguments: dict[str, Any]) -> None:
        self._request({"do": "insert", "name": self._position, **arguments})

    def _lose(self, fault: Mapping[str, Any]) -> None:
        off_s = SERVICE_OFF_S if self._kind in CABLE_FAULTS else OFF_S
        args = {name: value for name, value in fault.items() if name != "fault"} | {"for_s": off_s}
        self._request({"do": "fault", "name": self._position, "fault": fault["fault"], "args": args})
        self._plugged_s = time.monotonic() + off_s

    def _wait_plugged(self) -> None:
        """Wait until the cable is plugged in, as far as the simulator reports it."""
        time.sleep(max(0.0, self._plugged_s - time.monotonic()))
        for _ in range(PLUG_POLLS):
            status = self._request({"do": "status", "name": self._position})["simulators"][self._position]
            if status.get("plugged", True):
                return
            time.sleep(PLUG_POLL_S)

    def _request(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            answer = self._send(self._socket, request)
        except self._errors as error:
            raise Stopped(str(error)) from None
        if not answer.get("ok"):
            raise Stopped(f"{self._position}: {answer.get('error')}")
        return answer
