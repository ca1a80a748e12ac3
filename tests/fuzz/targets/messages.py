"""MQTT payloads: commands and claims as the gateway reads them, all else as a workstation does."""

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pydantic import ValidationError
from support.gateway.command_dispatch import BARRIER, SESSION, DispatcherFixture

from drivers.command import CommandArguments
from fuzz.target import target
from fuzz.virtual_clock import run_in_virtual_time
from gateway.client import Workstation
from gateway.contract.commands import CommandOutcome, CommandState, describe_wrong_fields
from gateway.contract.registry import COMMANDS

COMMAND = {"cmd_id": "c1", "session": SESSION, "n": 1, "args": {"width_cm": 30}}
CLAIM = {**COMMAND, "args": {"lease_s": 30}}
KEYS = tuple(
    f'"{key}"'.encode() for key in ("cmd_id", "session", "n", "args", "transaction", "lease_s", "reason")
)


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


@target(
    seeds=(
        b"open-up\n" + _json(COMMAND), b"claim\n" + _json(CLAIM), b"release\n" + _json(COMMAND),
        b"steal\n" + _json({**CLAIM, "args": {"lease_s": 30, "reason": "shift change"}}),
        b"look\n" + _json(COMMAND),
    ),
    words=(*KEYS, SESSION.encode(), b"open-up\n", b"claim\n", b"steal\n", b"renew\n"),
)  # fmt: skip
def commands(data: bytes) -> None:
    """Send a verb with its payload; by an authorized station, one with fewer roles, and an unknown one."""
    verb, _, payload = data.partition(b"\n")
    level = verb.decode("utf-8", "replace").replace("\0", "")
    run_in_virtual_time(_arrived(level, payload))


async def _arrived(verb: str, payload: bytes) -> None:
    fixture = DispatcherFixture()
    for station in ("chief", "guard", "nobody", "a/b"):
        fixture.arrive(verb, station, payload=payload, correlation=payload[:64])
        fixture.arrive(verb, station, payload=payload, retain=True, expires_s=None)
    fixture.arrive(verb, topic=f"bgw/v1/{verb}", payload=payload)
    for ticket, *_ in fixture.devices[BARRIER].commands_received:
        fixture.path.on_command_result(BARRIER, ticket, CommandOutcome(CommandState.DONE, result=b"{}"))
    fixture.path.stop()
    fixture.path.refuse_commands()


REQUESTS: tuple[type[CommandArguments], ...] = tuple(
    sorted({kind.request for kind in COMMANDS}, key=lambda r: r.__name__)
)


@target(
    seeds=[
        bytes([n])
        + json.dumps(
            {name: field.examples[0] for name, field in request.model_fields.items() if field.examples},
            default=str,
        ).encode()
        for n, request in enumerate(REQUESTS)
    ],
    words=sorted({f'"{name}"'.encode() for request in REQUESTS for name in request.model_fields}),
)
def arguments(data: bytes) -> None:
    """Parse arguments as a device's own process does."""
    request = REQUESTS[data[0] % len(REQUESTS)] if data else CommandArguments
    try:
        request.model_validate_json(data[1:], strict=True)
    except ValidationError as error:
        describe_wrong_fields(error, request)


PAYLOADS = Path(__file__).parents[2] / "gateway/contract/golden/1.0.0/payloads"
SEEDS = {
    "state": "device.state", "desc": "device.description", "claim": "device.claim", "blob/i/face": "",
    "rsp/counter-1": "command.answer", "preview/counter-1": "",
    "now/barrier-state": "barrier.state.last-value", "": "gateway.state",
    "evt/barrier-state": "barrier.state", "evt/document-read": "document.read",
    "evt/document-image": "document.image", "evt/plate-read": "plate.read", "evt/of-later": "clock.stepped",
}  # fmt: skip
"""Seeds by topic below a device; empty: the gateway itself."""
TOPICS = tuple(SEEDS)


def _seed(name: str) -> bytes:
    return (PAYLOADS / f"{name}.json").read_bytes() if name else b"\xff\xd8\xff"


@target(
    seeds=[bytes([n]) + _seed(name) for n, name in enumerate(SEEDS.values())],
    words=(b'"id"', b'"seq"', b'"data"', b'"attachments"', b'"role"', b'"state"', b'"session"', b'"type"'),
)
def received(data: bytes) -> None:
    """Receive a message on a workstation's topics: an invalid one affects only itself."""
    run_in_virtual_time(_taken(data))


async def _taken(data: bytes) -> None:
    workstation = Workstation("localhost", site="uto-test", station="counter-1")
    topic = TOPICS[data[0] % len(TOPICS)] if data else ""
    whole = f"bgw/v1/uto-test/lane-1/barrier/{topic}" if topic else "bgw/v1/uto-test/_gw/gw-1/state"
    for retain in (False, True):
        message = SimpleNamespace(topic=whole, payload=data[1:], retain=retain, properties=None)
        workstation._on_message(message, asyncio.get_running_loop().time())
    workstation.status("lane-1/barrier")
    workstation.last_value("lane-1/barrier", "barrier.state")
    await asyncio.sleep(5)
    assert all(item is not None for item in workstation._queue._items)
    workstation._assembler.stop()
