"""Last values are written, read and described like events, without the event's identity."""

import json
from typing import Any, ClassVar

from jsonschema import Draft7Validator
from pydantic import Field

from drivers.observation import DataClass, Observation
from gateway.contract.documents.schemas import last_value_example, last_value_schema
from gateway.contract.envelope import ClockStatus, Moment, Provenance
from gateway.contract.last_values import LastValueMessage, complete_last_value, write_partial_last_value


class Water(Observation):
    """Water level of a river."""

    event_type: ClassVar[str] = "river.water"
    data_class: ClassVar[DataClass] = DataClass.RECORD
    is_state: ClassVar[bool] = True
    level_m: float = Field(description="Level, in metres.", examples=[1.5])


MOMENT = Moment(1_795_422_930_123_456_789, "7d0c9c1b6a3f4a1e8f0b2c3d4e5f6071", 1, ClockStatus.SYNCED)


def test_written_value_is_valid_and_readable() -> None:
    written = complete_last_value(
        write_partial_last_value(Water(level_m=2), MOMENT, Provenance.SIMULATED), "session-1"
    )

    Draft7Validator(last_value_schema(Water)).validate(json.loads(written))
    read = LastValueMessage[Water].model_validate_json(written)
    assert (read.data, read.session, read.provenance) == (Water(level_m=2), "session-1", "simulated")


def test_example_is_valid_and_other_event_is_not() -> None:
    schema = Draft7Validator(last_value_schema(Water))
    message: dict[str, Any] = last_value_example(Water)

    schema.validate(message)
    assert not schema.is_valid(message | {"type": "bgw.river.mud.v1"})
    assert not schema.is_valid(message | {"data": {}})
