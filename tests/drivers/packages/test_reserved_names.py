"""Names that other packages may not use: they are those of the contract and of a post's file."""

from drivers.driver import Family
from drivers.packages.reserved_names import NAMESPACES, OUR_COMMANDS, SETTINGS
from gateway.config.model import CommonDeviceSettings
from gateway.contract.documents.schemas import STATES
from gateway.contract.registry import COMMANDS, EVENTS


def test_namespaces_of_contract_are_reserved() -> None:
    names = {event.event_type for event in EVENTS} | {command.name for command in COMMANDS} | STATES.keys()
    assert {name.partition(".")[0] for name in names} | set(Family) <= NAMESPACES


def test_commands_of_contract_are_reserved() -> None:
    models = {
        kind.name: (kind.request.__name__, kind.done.__name__)
        for kind in COMMANDS
        if not kind.name.startswith("device.")
    }
    assert models == OUR_COMMANDS


def test_keys_of_every_device_are_reserved() -> None:
    assert CommonDeviceSettings.model_fields.keys() | {"driver"} == SETTINGS
