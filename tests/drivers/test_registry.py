"""Search for installed drivers."""

import pytest
from pytest_mock import MockerFixture

from drivers import registry
from drivers.registry import UnknownDriverError, load_driver


def test_one_search_finds_every_driver(mocker: MockerFixture) -> None:
    """A search reads the metadata of every installed package: 20 ms."""
    mocker.patch.object(registry, "_found", {}, create=True)
    search = mocker.spy(registry, "installed_drivers")
    for name in ("mrz-serial", "modbus-barrier"):
        load_driver.__wrapped__(name)
    assert search.call_count == 1


def test_unknown_driver_is_searched_again(mocker: MockerFixture) -> None:
    """Its package may have been installed since."""
    search = mocker.spy(registry, "installed_drivers")
    for _ in range(2):
        with pytest.raises(UnknownDriverError, match=r"no driver named 'teapot'; installed: .*mrz-serial"):
            load_driver("teapot")
    assert search.call_count == 2
