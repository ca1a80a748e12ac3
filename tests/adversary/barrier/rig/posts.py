"""Lanes of every kind of board: simulated boards and wiring, the driver's settings, and the judge's facts."""

from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Literal

from adversary.barrier.judge.records import BoardFacts, DoorFacts, LaneFacts, Signal
from adversary.barrier.rig.gpio_site import CHIP, INPUTS, OUTPUTS, GpioSettings

from simulators.barrier.modbus_site import ModbusSettings, ModbusSite
from simulators.barrier.serial_site import SerialSettings

BOARDS = (
    "waveshare-tcp",
    "waveshare-rtu",
    "wirenboard-tcp",
    "wirenboard-rtu",
    "generic-pulse",
    "generic-watchdog",
    "kmtronic",
    "numato",
    "lcus",
    "gpio",
    "osdp",
)
PRELOADED = ("gpio",)
"""Boards that need a process under a preload library."""
Layout = Literal["boom", "gate"]
ONE = {"open-limit": 0, "closed-limit": 1, "approach": 2, "exit": 3, "photocell": 4, "fire": 5, "key": 6,
       "controller-ok": 7}  # fmt: skip
TWO = {"first-open-limit": 0, "first-closed-limit": 1, "first-photocell": 2, "second-open-limit": 3,
       "second-closed-limit": 4, "second-photocell": 5, "fire": 6, "key": 7}  # fmt: skip
KINDS = {"photocell": "nc", "fire": "nc", "key": "nc"}
"""Contacts that open when active, so that a cut wire is the dangerous thing; all others close."""
PULSED = {"relays": 8, "inputs": 8, "pulse_at": 0x0100, "pulse_unit_s": 0.1}
WATCHED = {"relays": 8, "inputs": 8, "watchdog_at": 8, "watchdog_unit_s": 0.1}
KEYS = {"relays": "relays", "inputs": "inputs", "pulse_at": "pulse_address", "pulse_unit_s": "pulse_unit_s",
        "watchdog_at": "watchdog_address", "watchdog_unit_s": "watchdog_unit_s"}  # fmt: skip


def kind_of(signal: str) -> Literal["no", "nc"]:
    """Return the contact of a signal."""
    return "nc" if KINDS.get(signal.rpartition("-")[2] if "limit" not in signal else signal) == "nc" else "no"


@dataclass
class Post:
    """One lane before it runs."""

    board: str
    layout: Layout = "boom"
    has_emergency: bool = True
    has_stop: bool = True
    boom: dict[str, Any] = field(default_factory=lambda: {"opening_s": 1.8, "closing_s": 2.2})
    controller: dict[str, Any] = field(default_factory=dict)
    barrier: dict[str, Any] = field(default_factory=dict)
    """More settings of the driver."""

    @property
    def has_close(self) -> bool:
        """True if the gateway may close it: not where it could close a boom that a fire alarm has opened."""
        return self.has_emergency

    @property
    def driver(self) -> str:
        """Name of the driver."""
        if self.board == "gpio":
            return "gpio-barrier"
        return "serial-relay" if self.board in ("numato", "lcus") else "modbus-barrier"

    @property
    def separate_inputs(self) -> bool:
        """True if another board has the inputs."""
        return self.board in ("kmtronic", "lcus")

    @property
    def inputs(self) -> dict[str, int]:
        """Input of each signal at its board."""
        wired = ONE if self.layout == "boom" else TWO
        most = 6 if self.board.startswith("wirenboard") else 8
        return {
            signal: at
            for signal, at in wired.items()
            if at < most and (signal != "fire" or self.has_emergency)
        }

    @property
    def contacts(self) -> dict[str, Any]:
        """Contact of each signal, for the simulator."""
        return {signal: kind_of(signal) for signal in self.inputs}

    @property
    def outputs(self) -> dict[str, int]:
        """Relay of each contact at its board."""
        doors = [""] if self.layout == "boom" else ["first-", "second-"]
        names = ["open", *(["close"] if self.has_close else []), *(["stop"] if self.has_stop else [])]
        return {f"{door}{name}": n for n, (door, name) in enumerate((d, n) for d in doors for n in names)}

    @property
    def setup_pdus(self) -> tuple[str, ...]:
        """Frames by which an installer sets the board up."""
        return ("060008000a",) if self.board == "generic-watchdog" else ()

    @property
    def mechanics(self) -> dict[str, Any]:
        """Settings of the simulated machine."""
        controller = {"self_closes_s": None, **self.controller}
        lane: dict[str, Any] = {"lane": "e-gate"} if self.layout == "gate" else {}
        return {"boom": self.boom, "controller": controller, **lane}

    def site_settings(self, scratch: Path) -> Any:
        """Return the settings of the simulated board with the relays."""
        wires: dict[str, Any] = {"outputs": self.outputs}
        if not self.separate_inputs:
            wires |= {"inputs": self.inputs, "contacts": self.contacts}
        if self.board == "gpio":
            return GpioSettings.model_validate({"mechanics": self.mechanics, **wires})
        if self.board in ("numato", "lcus"):
            size = {"relays": 8, "gpios": 8} if self.board == "numato" else {"relays": 8}
            return SerialSettings.model_validate(
                {
                    "path": scratch / "relays",
                    "model": self.board,
                    "mechanics": self.mechanics,
                    **size,
                    **wires,
                }
            )
        model = {
            "waveshare": "waveshare-8",
            "wirenboard": "wirenboard-6",
            "kmtronic": "kmtronic-8",
            "generic": "generic",
        }[self.board.partition("-")[0]]
        board = {"model": model, **wires}
        if model == "generic":
            board["map"] = PULSED if self.board == "generic-pulse" else WATCHED
        return ModbusSettings.model_validate(
            {
                "path": scratch / "relays" if self.is_serial else None,
                "quiet_s": 0.004 if self.is_serial else None,
                "paced": self.is_serial,
                "boards": [board],
                "mechanics": self.mechanics,
            }
        )

    @property
    def is_serial(self) -> bool:
        """True if the board with the relays is on a serial line."""
        return self.board.endswith("-rtu") or self.board in ("numato", "lcus", "kmtronic")

    def input_site_settings(self, scratch: Path) -> ModbusSettings | None:
        """Return the settings of a separate board with the inputs, if there is one."""
        if not self.separate_inputs:
            return None
        return ModbusSettings.model_validate({"boards": [{"model": "waveshare-8", "unit": 2}]})

    def settings(self, scratch: Path, site: Any, other: Any) -> dict[str, Any]:
        """Return the driver's settings, as a post's file has them."""
        at = self.inputs  # a relay board without inputs comes first: numbers do not shift
        doors = []
        for door in self.facts.doors:
            prefix = f"{door.name}-" if door.name else ""
            wired: dict[str, Any] = {
                "open": door.open,
                "open_limit": at[f"{prefix}open-limit"],
                "closed_limit": at[f"{prefix}closed-limit"],
                "presence": at[f"{prefix}photocell"],
            }
            if door.name:
                wired["name"] = door.name
            else:
                wired |= {"entry_side": at["approach"], "exit_side": at["exit"]}
            for name in ("close", "stop"):
                if getattr(door, name) is not None:
                    wired[name] = getattr(door, name)
            doors.append(wired)
        found: dict[str, Any] = {"doors": doors, "board": self._board_settings(scratch, site)}
        if self.has_emergency:
            found["emergency"] = at["fire"]
        else:
            found["no_emergency_input"] = True
        if "key" in at:
            found["key_switch"] = {"input": at["key"], "contact": "nc"}
        if "controller-ok" in at:
            found["controller_ok"] = at["controller-ok"]
        if other is not None:
            found["inputs_from"] = {"model": "waveshare-8", "unit": 2, "port": f"tcp://{other.address}"}
        return {**found, **self.barrier}

    def _board_settings(self, scratch: Path, site: Any) -> dict[str, Any]:
        if self.board == "gpio":
            lines = {"outputs": list(OUTPUTS), "inputs": list(INPUTS), "bias": "pull-up"}
            return {"model": "gpio", "chip": CHIP, **lines, "time_relay_s": 1}
        port = (
            f"tcp://{site.address}" if isinstance(site, ModbusSite) and not self.is_serial else site.address
        )
        match self.board:
            case "numato":
                return {
                    "model": "numato",
                    "port": port,
                    "relays": 8,
                    "inputs": 8,
                    "time_relay_s": 1,
                    "inputs_open_when_cut": True,
                }
            case "lcus":
                return {"model": "lcus", "port": port, "relays": 8, "time_relay_s": 1}
            case "kmtronic":
                return {"model": "kmtronic-8", "port": port, "time_relay_s": 1}
            case "generic-pulse" | "generic-watchdog":
                given = PULSED if self.board == "generic-pulse" else WATCHED
                return {
                    "model": "generic",
                    "port": port,
                    **{KEYS[key]: value for key, value in given.items()},
                }
        return {"model": "waveshare-8" if "waveshare" in self.board else "wirenboard-6", "port": port}

    @property
    def facts(self) -> LaneFacts:
        """Return the facts that the judge may read."""
        model = {
            "waveshare": "waveshare-8",
            "wirenboard": "wirenboard-6",
            "kmtronic": "kmtronic-8",
            "generic": "generic",
        }.get(self.board.partition("-")[0], self.board)
        framing: Any = (
            "text" if self.board in ("numato", "lcus", "gpio") else "rtu" if self.is_serial else "tcp"
        )
        layout = {"generic-pulse": PULSED, "generic-watchdog": WATCHED}.get(self.board, {"relays": 8})
        if model == "wirenboard-6":
            layout = {"relays": 6}
        boards = {"relays": BoardFacts(model, framing, 1, layout)}
        sensed = "relays"
        if self.separate_inputs:
            boards["inputs"] = BoardFacts("waveshare-8", "tcp", 2, {"relays": 8})
            sensed = "inputs"
        wires = {name: Signal(sensed, at, kind_of(name)) for name, at in self.inputs.items()}
        doors = []
        for name in ("",) if self.layout == "boom" else ("first", "second"):
            prefix = f"{name}-" if name else ""
            doors.append(
                DoorFacts(
                    name,
                    self.outputs[f"{prefix}open"],
                    self.outputs.get(f"{prefix}close"),
                    self.outputs.get(f"{prefix}stop"),
                    {
                        "open_limit": wires[f"{prefix}open-limit"],
                        "closed_limit": wires[f"{prefix}closed-limit"],
                        "presence": wires[f"{prefix}photocell"],
                    },
                )
            )
        shared = {"fire": "emergency", "key": "key_switch", "controller-ok": "controller_ok"}
        ends: Any = "board"
        if self.board.startswith("wirenboard") or self.board == "generic-watchdog":
            ends = "watchdog"
        elif self.board in ("kmtronic", "numato", "lcus", "gpio"):
            ends = "time-relay"
        given = self.barrier
        return LaneFacts(
            boards=boards,
            relays_on="relays",
            doors=tuple(doors),
            signals={shared[name]: wire for name, wire in wires.items() if name in shared},
            ends_pulse=ends,
            pulse_s=given.get("pulse_s", 0.5),
            start_s=given.get("start_timeout_s", 1.5),
            open_s=given.get("open_timeout_s", 6.0),
            close_s=given.get("close_timeout_s", 8.0),
            clear_s=given.get("clear_s", 0.0),
            max_open_s=given.get("max_open_s", 60.0),
            max_per_minute=given.get("max_per_minute", 12),
            open_in_fault=given.get("open_in_fault", False),
        )


def random_post(board: str, chance: Random) -> Post:
    """Choose a lane with this board."""
    gates = not board.startswith(("generic", "wirenboard"))  # the latter has six inputs
    layout: Layout = "gate" if gates and chance.random() < 0.35 else "boom"
    slow = chance.choice([1.8, 2.5, 4.0])
    post = Post(
        board,
        layout,
        has_emergency=chance.random() < 0.85 or layout == "gate",
        has_stop=layout == "gate" or chance.random() < 0.85,
        boom={"opening_s": slow, "closing_s": slow + 0.4, "ramp_s": 0.3},
        controller={
            "photocell": chance.choice(["ignored", "ignored", "stops", "reopens"]),
            "fire_opens": chance.random() < 0.7,
            "self_closes_s": chance.choice([None, None, 5.0]),
        },
        barrier={
            "max_open_s": chance.choice([15.0, 60.0]),
            "max_per_minute": chance.choice([12, 30]),
            "poll_s": chance.choice([0.1, 0.2, 0.2]),
        },
    )
    if chance.random() < 0.15:
        post.barrier["start_timeout_s"] = 5.0
    return post
