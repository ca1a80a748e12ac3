"""The kinds of simulators a post can have, each loaded only when a post has one."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, cast

from simulators.errors import SimulatorError
from simulators.simulator import KindOfSimulator, SimulatorSettings

KINDS: dict[str, tuple[str, str]] = {
    "desko": ("simulators.passport.fullpage.readers", "DeskoSettings"),
    "document-bridge": ("simulators.passport.fullpage.readers", "BridgeSettings"),
    "ocr-scanner": ("simulators.passport.scanners.settings", "OcrScannerSettings"),
    "regula-server": ("simulators.passport.fullpage.readers", "RegulaServerSettings"),
    "serial-mrz": ("simulators.passport.serial_mrz", "SerialMrzSettings"),
    "ws-bd": ("simulators.fingerprint.wsbd", "WsBdSettings"),
}
"""Kind to module and settings class. A new family of simulators is one more line here."""


def settings_of(table: Mapping[str, Any]) -> SimulatorSettings:
    """The settings in `table`, of the class its `kind` calls for.

    Raises SimulatorError for an unknown kind and pydantic's ValidationError for the rest.
    """
    kind = table.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise SimulatorError(f"kind: {kind!r} is not one of {', '.join(KINDS)}")
    module, name = KINDS[kind]
    return cast("KindOfSimulator", getattr(import_module(module), name)).model_validate(dict(table))
