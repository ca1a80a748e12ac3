"""Mistakes of a driver that only running shows: the state names them, without a look into a log."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import pytest
from virtual_worker import run_worker

from drivers.driver import Driver, Family, Identity
from drivers.links.settings import Settings
from drivers.observation import DataClass, Observation
from drivers.passport.observations import DocumentPlaced, ReadTrigger


class Weighed(Observation):
    event_type: ClassVar[str] = "acme.weighed"
    data_class: ClassVar[DataClass] = DataClass.RECORD


def states_of(item: object, identity: Any = None) -> list[dict[str, Any]]:
    """Return the states of a device whose driver yields this, and returns that from `open`."""

    class Scripted(Driver[Settings]):
        family = Family("luggage_scale")
        settings_model = Settings
        observation_types = (Weighed,)

        async def open(self) -> Identity:
            return Identity(model="scale") if identity is None else identity

        async def watch(self) -> AsyncIterator[Any]:
            yield item
            await asyncio.Event().wait()

    return run_worker(Scripted, hours=0.01).states


@pytest.mark.parametrize(
    ("item", "identity", "named"),
    [
        ({"mass_kg": 23.4}, None, "its watch yields a dict, which is no Observation"),
        (None, None, "its watch yields a NoneType, which is no Observation"),
        (
            DocumentPlaced(trigger=ReadTrigger.SWIPE),
            None,
            "its watch yields DocumentPlaced, which is not in its observation_types",
        ),
        (Weighed(), {"model": "scale"}, "its open returns a dict, which is no Identity"),
    ],
)
def test_mistake_is_named(item: object, identity: Any, named: str) -> None:
    state = states_of(item, identity)[-1]
    assert (state["state"], state["cause"]) == ("fault", "driver_error")
    assert named in state["text"]
    assert "author" in state["how"]


def test_sound_driver_stays_online() -> None:
    assert states_of(Weighed())[-1]["state"] == "online"
