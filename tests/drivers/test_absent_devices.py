"""Drivers opened without their device: cause and remedy at once, and nothing left open."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.ports import free_port

from drivers.links.factory import LinkFactory
from drivers.links.link import Cause, LinkError
from drivers.registry import load_driver

DOOR = {
    "open": 0,
    "open_limit": {"input": 0, "contact": "no"},
    "closed_limit": {"input": 1, "contact": "no"},
}
BARRIER = {"no_emergency_input": True, "doors": [DOOR]}
NUMATO = {"model": "numato", "relays": 4, "inputs": 8, "inputs_open_when_cut": True, "time_relay_s": 1}
ABSENT: dict[str, Callable[[str, int], dict[str, Any]]] = {
    "mrz-serial": lambda path, port: {"port": path, "framing": "accessis"},
    "mrz-wedge": lambda path, port: {"port": path},
    "uru4000": lambda path, port: {"port": f"usbip://127.0.0.1:{port}/1-1"},
    "nb1010": lambda path, port: {"port": f"usbip://127.0.0.1:{port}/1-1"},
    "ws-bd": lambda path, port: {"url": f"http://127.0.0.1:{port}"},
    "camera-snapshot": lambda path, port: {"url": f"http://127.0.0.1:{port}", "path": "/picture"},
    "camera-rtsp": lambda path, port: {"url": f"rtsp://127.0.0.1:{port}/stream"},
    "modbus-barrier": lambda path, port: {
        **BARRIER, "board": {"model": "waveshare-8", "port": f"tcp://127.0.0.1:{port}"}
    },
    "serial-relay": lambda path, port: {**BARRIER, "board": {**NUMATO, "port": path}},
}  # fmt: skip
"""Settings of each driver for a path without a file, and a closed port. Others have a test of their own."""


@pytest.mark.parametrize("name", ABSENT)
async def test_absent_device_has_remedy(name: str, tmp_path: Path) -> None:
    driver = load_driver(name)
    settings = driver.settings_model.model_validate(ABSENT[name](str(tmp_path / "absent"), free_port()))
    links = LinkFactory()
    opened = driver(settings, links)
    with pytest.raises(LinkError) as absent:
        await opened.open()
    await opened.close()
    await links.close()
    assert absent.value.cause in (Cause.NO_DEVICE, Cause.NO_RESPONSE), absent.value
    assert absent.value.text
    assert absent.value.how
