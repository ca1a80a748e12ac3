"""Rules for observation classes."""

from typing import ClassVar

import pytest

from drivers.observation import DataClass, Observation


def test_personal_data_is_not_retained() -> None:
    with pytest.raises(TypeError, match="Weight is about a person and must not be a state"):

        class Weight(Observation):
            event_type: ClassVar[str] = "test.weight"
            data_class: ClassVar[DataClass] = DataClass.TRAVELLER
            is_state: ClassVar[bool] = True
