"""A boom with its own controller at an output of a card reader, whose timer ends the pulse.

Without a secure channel, so that the judge reads the frames themselves.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

from adversary.barrier.judge.records import BoardFacts, DoorFacts, LaneFacts
from adversary.barrier.rig.posts import Post

ADDRESS = 5
LONGEST_S = {0: 1.0, 1: 3.0}
"""Longest pulse of each output, in seconds."""


@dataclass
class OsdpPost(Post):
    """One reader with two outputs: a contact of the boom's controller, and a lamp."""

    board: str = "osdp"
    controller: dict[str, Any] = field(default_factory=lambda: {"photocell": "reopens", "self_closes_s": 5.0})

    @property
    def driver(self) -> str:
        """Name of the driver."""
        return "osdp"

    @property
    def outputs(self) -> dict[str, int]:
        """Relay of each contact at the reader."""
        return {"open": 0}

    @property
    def inputs(self) -> dict[str, int]:
        """Input of each signal at the reader."""
        return {}

    def site_settings(self, scratch: Path) -> Any:
        """Return the settings of the simulated reader."""
        from simulators.barrier.osdp.site import OsdpSettings

        return OsdpSettings.model_validate(
            {
                "path": scratch / "reader",
                "address": ADDRESS,
                "outputs": self.outputs,
                "mechanics": {"boom": self.boom, "controller": self.controller},
            }
        )

    def settings(self, scratch: Path, site: Any, other: Any) -> dict[str, Any]:
        """Return the driver's settings, as a post's file has them."""
        operates = {0: "door-controller", 1: "signal"}
        outputs = [
            {"output": output, "operates": operates[output], "max_pulse_s": longest_s}
            for output, longest_s in LONGEST_S.items()
        ]
        return {
            "port": site.address,
            "address": ADDRESS,
            "security": "clear",
            "outputs": outputs,
            **self.barrier,
        }

    @property
    def facts(self) -> LaneFacts:
        """Return the facts that the judge may read."""
        return LaneFacts(
            boards={"relays": BoardFacts("osdp", "text", ADDRESS, {"longest_s": LONGEST_S})},
            relays_on="relays",
            doors=(DoorFacts("", 0, None, None, {}),),
            signals={},
            ends_pulse="board",
        )


def random_reader(chance: Random) -> OsdpPost:
    """Choose a reader."""
    return OsdpPost(barrier={"offline_after_s": chance.choice([0.9, 2.5, 2.5, 5.0])})


@contextlib.contextmanager
def reader_clocks(now_s: Any) -> Iterator[None]:
    """Let libosdp and the driver's channel take their times from the rig."""
    from adversary.barrier.rig.osdp_clock import virtual_clock

    boot_ns = lambda: round(now_s() * 1e9)  # noqa: E731
    with (
        virtual_clock(now_s),
        mock.patch("drivers.access.osdp.channel.boot_ns", boot_ns),
    ):
        yield
