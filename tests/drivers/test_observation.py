"""Limits of observations."""

from typing import ClassVar

import pytest

from drivers.observation import DataClass, Observation


def test_personal_observation_is_no_state() -> None:
    with pytest.raises(TypeError, match="Weight is about a person and must not be a state"):

        class Weight(Observation):
            event_type: ClassVar[str] = "test.weight"
            data_class: ClassVar[DataClass] = DataClass.TRAVELLER
            is_state: ClassVar[bool] = True
