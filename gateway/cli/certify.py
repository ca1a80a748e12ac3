"""`borderpost certify`: try a device at its position with a technician, and report the result."""

import os
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from drivers.registry import UnknownDriverError, load_driver
from gateway.cli._certify.criteria import OverallVerdict, Verdict, judge
from gateway.cli._certify.device import PRESENT, CertifiedDevice
from gateway.cli._certify.facts import Facts, Moment
from gateway.cli._certify.report import Report, TriedDevice
from gateway.cli._certify.report_files import PAGE_FILE, REPORT_FILE, write_report
from gateway.cli._certify.run import Certification, Plan
from gateway.cli._certify.simulated_technician import SimulatedTechnician
from gateway.cli._certify.technician import STOPPED, Stopped, Technician, TerminalTechnician
from gateway.cli._certify.wire_recording import WireRecording
from gateway.cli._lib.api_client import (
    ApiError,
    ApiUnavailable,
    AsJson,
    exit_with_error,
    state_dir,
)
from gateway.cli._lib.arguments import OneDevice, PostFile
from gateway.cli._lib.interrupts import as_interrupt
from gateway.cli._lib.post_file import load_or_fail
from gateway.cli._lib.terminal import errors, exit_with, require_simulators
from gateway.cli.record import wire_type
from gateway.common.atomic_file import write_whole
from gateway.common.printable import printable
from gateway.common.version import VERSION
from gateway.config import DeviceSettings
from gateway.contract.topics import Position
from gateway.state_dir import is_forbidden

EX_FAILED = 1
NAMES = (
    "identity",
    "self_test",
    "specimen_td3",
    "specimen_td1",
    "specimen_td2",
    "chip",
    "series",
    "busy",
    *Moment,
    "commissioned",
)
COLOURS = {Verdict.PASS: "green", Verdict.FAIL: "red", Verdict.NOT_TRIED: "yellow"}
EXIT = {OverallVerdict.CERTIFIED: 0, OverallVerdict.FAILED: EX_FAILED, OverallVerdict.PARTIAL: os.EX_TEMPFAIL}


def certify(
    config: PostFile,
    position: OneDevice,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the report; default: certify-LANE-DEVICE. An earlier run is continued."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Try only this criterion, again if it was tried; repeatable.", metavar="CRITERION"),
    ] = None,
    maker: Annotated[str, typer.Option(help="Maker on the label of the device.")] = "",
    model: Annotated[str, typer.Option(help="Model on the label of the device.")] = "",
    reads: Annotated[
        int, typer.Option(min=0, help="Number of reads of the series; 0: as many as a certificate needs.")
    ] = 0,
    simulators: Annotated[
        Path | None,
        typer.Option(help="Control socket of a simulated post, which does the technician's part."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Try a device with a technician, in half an hour: specimens, unplugging, power cut, load, 100 reads.

    The result is a report (HTML and JSON) with a verdict by criterion, a recording without personal data, and
    a row for the list of tried devices. Present specimens only (of the state UTO). The device is in
    maintenance meanwhile: nothing reaches an officer. No barrier is commanded. A run that was stopped is
    continued by the same command; what was not tried never counts as passed.

    Exit codes: 0 every required criterion passed; 1 one failed; 75 some were not tried.
    """
    if unknown := set(only or ()) - set(NAMES):
        exit_with(
            f"--only: no criterion {', '.join(sorted(unknown))}\n    choose of {', '.join(NAMES)}",
            os.EX_USAGE,
        )
    if simulators is not None:
        require_simulators()
    folder = out or Path(f"certify-{position.replace('/', '-')}")
    certified = CertifiedDevice(state_dir(config), position)
    try:
        view = certified.view()
        settings = None
        if not is_forbidden(config):
            settings = load_or_fail(config).devices.get(Position.parse(position))
        tried = _tried_device(certified, view, settings)
        earlier = _earlier_report(folder, tried, view)
        tried = _with_label(tried, earlier, maker, model)
        technician = _technician(simulators, tried)
    except (ApiUnavailable, ApiError) as error:
        exit_with_error(error)
    except Stopped as stop:
        exit_with(str(stop), os.EX_UNAVAILABLE)
    possible = {each.id for each in judge(tried.family, Facts(), reads_chips=tried.reads_chips)}
    if absent := set(only or ()) - possible:
        exit_with(
            f"--only: {', '.join(sorted(absent))} cannot be tried at {position}\n    "
            f"choose of {', '.join(name for name in NAMES if name in possible)}",
            os.EX_USAGE,
        )
    plan = Plan(stages=frozenset(only) if only else None, series=reads, reads_chips=tried.reads_chips)
    try:
        with as_interrupt():
            report, stopped = _run(certified, technician, plan, folder, tried, earlier, settings, view)
    except OSError as error:
        exit_with(f"{error.filename or folder}: {error.strerror}", os.EX_CANTCREAT)
    _show(report, folder, as_json=as_json)
    if isinstance(stopped, ApiUnavailable | ApiError):
        errors.print(STOPPED, markup=False, soft_wrap=True)
        exit_with_error(stopped)
    if stopped is not None:
        errors.print(str(stopped), markup=False, soft_wrap=True)
    raise typer.Exit(EXIT[report.verdict])


def _tried_device(
    certified: CertifiedDevice, view: dict[str, Any], settings: DeviceSettings | None
) -> TriedDevice:
    """Describe the device; ends with EX_TEMPFAIL if it is not connected."""
    state = view["actual_state"] or view["state"]
    if state["state"] not in PRESENT:
        exit_with(
            f"{certified.position} is {state['state']}: {state['text']}\n    "
            f"{state['how'] or 'borderpost why ' + certified.position}",
            os.EX_TEMPFAIL,
        )
    post = certified.post()
    can_anonymize = True
    with suppress(UnknownDriverError):  # not installed for this account
        can_anonymize = bool(load_driver(view["driver"]).anonymizer)
    return TriedDevice(
        site=post["site"],
        gateway=post["gateway"],
        gateway_version=VERSION,
        position=certified.position,
        driver=view["driver"],
        family=view["family"],
        connection="" if settings is None else wire_type(settings.settings),
        provenance=state["provenance"] or "",
        reads_chips=settings is not None and getattr(settings.settings, "chip", None) is not None,
        can_anonymize=can_anonymize,
    )


def _earlier_report(folder: Path, tried: TriedDevice, view: dict[str, Any]) -> Report | None:
    """Return the report of an earlier run; ends if it is of another device or unreadable."""
    file = folder / REPORT_FILE
    remedy = "\n    name another folder: --out"
    try:
        earlier = Report.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        exit_with(f"{file} is no readable report{remedy}", os.EX_DATAERR)
    serial_number = (view["identity"] or {}).get("serial_number")
    known = {each.serial_number for each in earlier.facts.identities}
    same = (tried.position, tried.driver, tried.provenance)
    if same != (earlier.device.position, earlier.device.driver, earlier.device.provenance) or (
        known and serial_number not in known
    ):
        exit_with(f"{file} is the report of another device{remedy}", os.EX_USAGE)
    return earlier


def _with_label(tried: TriedDevice, earlier: Report | None, maker: str, model: str) -> TriedDevice:
    """Return the device with the maker and model of its label: those given, else those of the earlier run."""
    known = earlier.device if earlier is not None else tried
    return tried.model_copy(
        update={"maker": printable(maker) or known.maker, "model": printable(model) or known.model}
    )


def _technician(simulators: Path | None, tried: TriedDevice) -> Technician:
    """Return the person at the terminal, or the simulated post of a simulated device; raises Stopped."""
    if simulators is None:
        return TerminalTechnician()
    if tried.provenance != "simulated":
        exit_with(f"{tried.position} is no simulated device\n    omit --simulators", os.EX_USAGE)
    return SimulatedTechnician(simulators, tried.position)


def _run(
    certified: CertifiedDevice,
    technician: Technician,
    plan: Plan,
    folder: Path,
    tried: TriedDevice,
    earlier: Report | None,
    settings: DeviceSettings | None,
    view: dict[str, Any],
) -> tuple[Report, Exception | None]:
    """Run in maintenance, and write report and recording; returns also the reason of an early end."""
    began_at = earlier.began_at if earlier is not None else datetime.now(UTC)
    facts = earlier.facts if earlier is not None else Facts()
    stopped: Exception | None = None

    def write(present: Facts) -> Report:
        nonlocal facts
        facts = present
        report = Report.of(tried, facts, began_at, datetime.now(UTC))
        write_report(report, folder)
        return report

    recording = WireRecording(certified.state_dir, certified.position)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with ExitStack() as stack:
            _hold_maintenance(certified, stack)
            if settings is not None:
                stack.enter_context(recording)
            technician.say(f"{tried.position}: {tried.driver}. Report in {folder}. Ctrl-C stops.")
            Certification(certified, technician, facts, plan, write).run()
    except (Stopped, ApiUnavailable, ApiError) as error:
        stopped = error
    except KeyboardInterrupt:
        technician.say("")  # ends the line with ^C
        stopped = Stopped(STOPPED)
    facts = _with_recording(facts, folder, recording, settings, view)
    if recording.is_discarded:
        tried = tried.model_copy(update={"can_anonymize": False})
    return write(facts), stopped


def _hold_maintenance(certified: CertifiedDevice, stack: ExitStack) -> None:
    """Begin maintenance until the end of the stack, unless the device is in maintenance already."""
    if certified.view()["maintenance_until"] is not None:
        return
    certified.hold_maintenance()

    def end() -> None:
        with suppress(ApiUnavailable, ApiError):  # it ends by itself later
            certified.end_maintenance()

    stack.callback(end)


def _with_recording(
    facts: Facts,
    folder: Path,
    recording: WireRecording,
    settings: DeviceSettings | None,
    view: dict[str, Any],
) -> Facts:
    """Write the anonymized recording of this run under a name of its own; raises OSError."""
    if settings is None:
        note = "Only root may read the post's file, which it needs: sudo borderpost certify."
        return facts.model_copy(update={"recording_note": note})
    anonymized = recording.anonymized(settings, view)
    if anonymized is None:
        return facts.model_copy(update={"recording_note": recording.note})
    number = len(facts.recordings) + 1
    while (file := folder / f"recording-{number}.rec").exists():
        number += 1
    write_whole(file, anonymized.to_text().encode(), 0o644)
    names = (*facts.recordings, file.name)
    return facts.model_copy(update={"recordings": names, "recording_note": recording.note})


def _show(report: Report, folder: Path, *, as_json: bool) -> None:
    """Print the verdicts, or the report as JSON."""
    if as_json:
        typer.echo(report.model_dump_json(indent=2))
        return
    for each in report.criteria:
        word = {Verdict.PASS: "passed", Verdict.FAIL: "FAILED", Verdict.NOT_TRIED: "not tried"}[each.verdict]
        typer.echo(f"{typer.style(f'{word:<9}', fg=COLOURS[each.verdict])} {each.title}: {each.text}")
    kind = "" if report.device.provenance == "live" else f", of a {report.device.provenance} device"
    typer.echo(f"{report.verdict.upper()}{kind}: {folder / PAGE_FILE}")
