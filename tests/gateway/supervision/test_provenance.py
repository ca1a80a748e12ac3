"""Origin of a device's events, by the nodes in its settings."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from gateway.contract.envelope import Provenance
from gateway.supervision.provenance import observed_provenance

LIVE, SIMULATED, REPLAYED = Provenance.LIVE, Provenance.SIMULATED, Provenance.REPLAYED


@pytest.mark.parametrize(
    ("settings", "provenance"),
    [
        ({}, LIVE),
        ({"port": 1, "host": "10.0.0.4", "wait": None}, LIVE),
        ({"port": "/dev/null"}, LIVE),
        ({"port": "/dev/no-such-node"}, LIVE),
        ({"port": "/etc/hostname"}, LIVE),
        ({"port": "/dev/a\0b"}, LIVE),
        ({"text": "no sim: here"}, LIVE),
        ({"port": "sim:reader"}, SIMULATED),
        ({"device": "usbip:1-1"}, SIMULATED),
        ({"chip": {"reader": "vpcd://127.0.0.1:35963"}}, SIMULATED),
        ({"port": "replay:passport.jsonl"}, REPLAYED),
        ({"links": [{"port": "sim:reader"}]}, SIMULATED),
        ({"links": ({"port": "sim:reader"}, {"port": "replay:x"}, {"port": "sim:other"})}, REPLAYED),
    ],
)
def test_addresses_have_an_origin(settings: Mapping[str, Any], provenance: Provenance) -> None:
    assert observed_provenance(settings) is provenance


def test_terminal_of_a_program_is_simulated(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    try:
        node = os.ttyname(theirs)
        link = tmp_path / "reader"
        link.symlink_to(node)
        assert observed_provenance({"port": node}) is SIMULATED
        assert observed_provenance({"port": str(link)}) is SIMULATED
        assert observed_provenance({"port": node.removeprefix("/")}) is LIVE
    finally:
        os.close(ours)
        os.close(theirs)
