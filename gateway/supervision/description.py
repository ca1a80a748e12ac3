"""Device description, published for every position, from a driver and the device's identity."""

from drivers.driver import Driver, Identity
from drivers.links.settings import Settings
from gateway.contract.commands import CLAIM_COMMANDS, describe_command
from gateway.contract.envelope import to_schema_id
from gateway.contract.states import DeviceDescription, EventDescription


def describe_device(
    driver: type[Driver[Settings]], name: str, identity: Identity | None, session: str
) -> DeviceDescription:
    """Describe the device at a position: `name` is the driver's, `session` the present run of the gateway."""
    return DeviceDescription(
        driver=name,
        family=driver.family,
        identity=identity,
        events=tuple(
            EventDescription(
                type=observation_type.event_type,
                dataschema=to_schema_id(
                    observation_type.event_type, driver.schema_version(observation_type.event_type)
                ),
                data_class=observation_type.data_class,
            )
            for observation_type in driver.observation_types
        ),
        commands=(
            *(
                describe_command(name, command, driver.schema_version(name))
                for verb, command in driver.commands.items()
                for name in (driver.command_name(verb),)
            ),
            *CLAIM_COMMANDS,
        ),
        session=session,
    )
