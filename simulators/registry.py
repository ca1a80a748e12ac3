"""The kinds of simulators of a post, each loaded only when used."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, cast

from pydantic import ValidationError

from simulators.errors import SimulatorError
from simulators.packages import load_kind, package_of, simulator_points
from simulators.simulator import SettingsType, SimulatorSettings

KINDS: dict[str, tuple[str, str]] = {
    "anpr-axis": ("simulators.camera.anpr.axis", "AxisSettings"),
    "anpr-dahua": ("simulators.camera.anpr.dahua", "DahuaSettings"),
    "anpr-hikvision": ("simulators.camera.anpr.hikvision", "HikvisionSettings"),
    "camera-onvif": ("simulators.camera.onvif.camera", "OnvifCameraSettings"),
    "camera-rtsp": ("simulators.camera.rtsp.camera", "RtspCameraSettings"),
    "camera-snapshot": ("simulators.camera.snapshot", "SnapshotCameraSettings"),
    "desko": ("simulators.passport.fullpage.readers", "DeskoSettings"),
    "document-bridge": ("simulators.passport.fullpage.readers", "BridgeSettings"),
    "modbus-barrier": ("simulators.barrier.post_barrier", "ModbusBarrierSettings"),
    "nb1010": ("simulators.fingerprint.scanners", "Nb1010Settings"),
    "ocr-scanner": ("simulators.passport.scanners.settings", "OcrScannerSettings"),
    "osdp-reader": ("simulators.barrier.osdp.post_reader", "OsdpReaderSettings"),
    "regula-server": ("simulators.passport.fullpage.readers", "RegulaServerSettings"),
    "serial-mrz": ("simulators.passport.serial_mrz", "SerialMrzSettings"),
    "serial-relay": ("simulators.barrier.post_barrier", "SerialRelaySettings"),
    "uru4000": ("simulators.fingerprint.scanners", "Uru4000Settings"),
    "ws-bd": ("simulators.fingerprint.wsbd", "WsBdSettings"),
    "zfm": ("simulators.fingerprint.scanners", "ZfmSettings"),
}
"""Kind to module and settings class. Add one line here for a new kind.

Other packages register theirs as entry points; see `simulators.packages`.
"""


def parse_settings(table: Mapping[str, Any]) -> SimulatorSettings:
    """Parse the settings in `table` with the class of its `kind`, ours or of another package.

    Raises SimulatorError for an unknown kind or one that cannot be used, and pydantic's ValidationError for
    other errors.
    """
    kind = table.get("kind")
    if isinstance(kind, str) and kind in KINDS:
        return _our_settings(kind).model_validate(dict(table))
    if not isinstance(kind, str) or kind not in simulator_points():
        known = ", ".join(sorted({*KINDS, *simulator_points()}))
        raise SimulatorError(f"kind: {kind!r} is not one of {known}")
    found, faults = load_kind(kind, KINDS)
    package = package_of(simulator_points()[kind][0])
    if found is None:
        raise SimulatorError(f"kind: {kind} of {package} cannot be used: {'; '.join(faults)}")
    try:
        return found.model_validate(dict(table))
    except ValidationError:
        raise
    except Exception as error:
        raise SimulatorError(f"kind: {kind} of {package}: {type(error).__name__} in its settings") from error


def kind_faults(kind: str, _settings: str = "") -> tuple[str, ...]:
    """Return the faults of a kind of another package, each as a clause."""
    return load_kind(kind, KINDS)[1]


def _our_settings(kind: str) -> SettingsType:
    module, name = KINDS[kind]
    try:
        found = import_module(module)
    except ModuleNotFoundError as error:
        extra = "osdp" if kind == "osdp-reader" else "simulators"
        raise SimulatorError.without(extra, f"kind: {kind} needs the Python package {error.name}") from error
    return cast("SettingsType", getattr(found, name))
