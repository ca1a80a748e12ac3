"""The kinds of simulators of a post, each loaded only when used."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, cast

from simulators.errors import SimulatorError
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
"""Kind to module and settings class. Add one line here for a new kind."""


def parse_settings(table: Mapping[str, Any]) -> SimulatorSettings:
    """Parse the settings in `table` with the class of its `kind`.

    Raises SimulatorError for an unknown kind or one whose dependency is not installed, and pydantic's
    ValidationError for other errors.
    """
    kind = table.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise SimulatorError(f"kind: {kind!r} is not one of {', '.join(KINDS)}")
    module, name = KINDS[kind]
    try:
        found = import_module(module)
    except ModuleNotFoundError as error:
        extra = "osdp" if kind == "osdp-reader" else "simulators"
        raise SimulatorError.without(extra, f"kind: {kind} needs the Python package {error.name}") from error
    return cast("SettingsType", getattr(found, name)).model_validate(dict(table))
