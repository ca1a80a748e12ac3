"""`borderpost record`: record the bytes between the gateway and a device."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from drivers.links.link import Direction
from drivers.links.recording.recorder import LIMIT_BYTES, Recorder
from drivers.links.recording.recording import Begins, Chunk, Entry, Recording, Wire
from drivers.links.recording.usb_trace import Transfer, TransferType
from drivers.links.settings import Settings
from drivers.registry import load_driver
from gateway.cli._lib.api_client import (
    ApiError,
    ApiUnavailable,
    ask,
    device_path,
    exit_with_error,
    request_or_exit,
    state_dir,
    stream,
)
from gateway.cli._lib.arguments import OneDevice, PostFile
from gateway.cli._lib.interrupts import as_interrupt
from gateway.cli._lib.post_file import load_or_fail
from gateway.cli._lib.recording_file import require_new_file, write_or_fail
from gateway.cli._lib.terminal import console, errors, exit_with
from gateway.common.version import VERSION
from gateway.config import DeviceSettings
from gateway.contract.topics import Position

MIB = 1024 * 1024
VIEW_S = 5.0
"""Longest wait for the state of the device after the recording, in seconds: it is a supplement."""
WIRES: dict[str, Wire] = {
    "SerialSettings": "serial",
    "TcpSettings": "tcp",
    "ModbusSettings": "serial",
    "KeyboardSettings": "keyboard",
    "HidSettings": "hidraw",
    "UsbSettings": "usb",
    "HttpSettings": "http",
    "HttpListenerSettings": "http-listener",
}
"""Kind of link by the class of a device's settings."""


def record(
    config: PostFile,
    position: OneDevice,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="File to write; it must not exist yet.")],
    reveal: Annotated[
        str, typer.Option(help="Reason for keeping personal data; it is recorded in the audit.")
    ],
    seconds: Annotated[
        float, typer.Option("--duration", min=0.1, help="End after this many seconds.")
    ] = 30.0,
    limit: Annotated[
        int, typer.Option(min=1, max=LIMIT_BYTES // MIB, help="Keep the newest this many MiB.")
    ] = 16,
    reopen: Annotated[
        bool | None,
        typer.Option(
            "--reopen/--no-reopen",
            help="Restart the worker of the device, so that its opening is recorded. By default only of "
            "devices that move nothing.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Record a device's bytes, personal data included, into a file that only its owner may read.

    Recording goes on when the device or its worker is restarted. It ends after the duration, with Ctrl-C, a
    closed terminal, or the gateway; what was recorded until then is written. Replace personal data with
    `borderpost anonymize` before the recording leaves the post.
    """
    post = load_or_fail(config)
    device = post.devices.get(Position.parse(position))
    if device is None:
        exit_with(f"there is no device {position} in this post", os.EX_USAGE)
    require_new_file(out)
    seen = request_or_exit(config, device_path(position))
    ticket = request_or_exit(
        config, device_path(position, "/trace/reveal"), method="POST", body={"reason": reveal}
    )
    tape = Recorder(limit * MIB)
    folder = state_dir(config)
    if reopen is None:
        commands = load_driver(device.driver).commands.values()
        reopen = not any(command.is_movement for command in commands)

    def begin() -> None:
        if reopen:
            ask(folder, device_path(position, "/restart"), method="POST")

    path = device_path(position, f"/trace?ticket={ticket['ticket']}")
    problems: list[ApiUnavailable | ApiError] = []
    items = until_failure(stream(folder, path, within_s=seconds, on_open=begin), problems)
    with as_interrupt():
        lost = record_items(tape, items) + tape.dropped_entries
        if problems and not tape.entries:
            exit_with_error(problems[0])
        with suppress(ApiUnavailable, ApiError, KeyboardInterrupt):
            after = ask(folder, device_path(position), within_s=VIEW_S)
            # Without a device at the end, the one of the beginning was recorded.
            seen = after if after["state"].get("provenance") is not None else seen
        begins: Begins = "at open" if reopen and not tape.dropped_entries else "midway"
        recording = build_recording(device, seen, [*tape.entries], lost, begins)
        write_or_fail(out, recording.to_text().encode(), 0o600)
    console.print(f"{out}: {len(recording.entries)} entries, {recording.people} people", markup=False)
    if lost:
        errors.print(f"{lost} items could not be recorded: the recording has gaps", markup=False)
    if problems:
        exit_with_error(problems[0])


def until_failure(
    items: Iterable[dict[str, Any]], problems: list[ApiUnavailable | ApiError]
) -> Iterator[dict[str, Any]]:
    """Yield the items until they end or the gateway fails, which is added to `problems`."""
    try:
        yield from items
    except (ApiUnavailable, ApiError) as error:
        problems.append(error)


def build_recording(
    device: DeviceSettings, view: dict[str, Any], entries: list[Entry], lost: int, begins: Begins = "midway"
) -> Recording:
    """Return the recording of entries from a device with this view, of which so many were lost."""
    state = view["actual_state"] or view["state"]
    # Unknown if it never connected, or was not connected yet and the gateway has ended.
    provenance = state.get("provenance") or "unknown"
    return Recording(
        driver=device.driver,
        settings=device.settings.public_values(),
        provenance=f"{provenance}, {lost} lost" if lost else provenance,
        people="synthetic" if provenance == "simulated" else "real",
        entries=entries,
        wire=wire_type(device.settings),
        identity={name: value for name, value in (view["identity"] or {}).items() if value is not None},
        gateway=VERSION,
        begins=begins,
    )


def record_items(tape: Recorder, items: Iterable[dict[str, Any]]) -> int:
    """Record items of a trace until they end or Ctrl-C ends them; returns how many the gateway dropped."""
    lost = 0
    try:
        for item in items:
            lost += item.get("dropped", 0)
            if (entry := to_recording_entry(item)) is not None:
                tape.append(entry)
    except KeyboardInterrupt:
        pass
    return lost


def to_recording_entry(item: dict[str, Any]) -> Entry | None:
    """Convert an item of a trace to an entry of a recording; None for the end of a connection.

    Raises ValueError for an item without bytes.
    """
    if item["size"] and item["hex"] is None:
        raise ValueError("the item has no bytes: request the trace with `reveal`")
    data = bytes.fromhex(item["hex"] or "")
    if (facts := item["transfer"]) is None:
        return Chunk(item["at_s"], cast("Direction", item["direction"]), data) if data else None
    return Transfer(
        id=facts["id"],
        stage=facts["stage"],
        kind=TransferType[facts["kind"].upper()],
        endpoint=facts["endpoint"],
        bus=1,
        device=1,
        at_ns=round(item["at_s"] * 1e9),
        status=facts["status"],
        length=facts["length"],
        setup=bytes.fromhex(facts["setup"]),
        data=data,
    )


def wire_type(settings: Settings) -> Wire:
    """Return the kind of link of a device with these settings."""
    settings = getattr(settings, "board", settings)  # A board has its own port.
    bases = [base.__name__ for base in type(settings).__mro__ if base.__name__ in WIRES]
    if bases[:1] == ["ModbusSettings"] and str(getattr(settings, "port", "")).startswith("tcp://"):
        return "modbus-tcp"
    return WIRES[bases[0]] if bases else "other"
