"""Lock of a device that only one process of a machine may use."""

import pytest

from drivers.links.link import Cause, LinkError
from drivers.links.modbus.exclusive import ExclusiveUse


@pytest.mark.parametrize(
    "name", ["modbus/192.0.2.1:502/1", f"modbus/{'/dev/serial/by-id/usb-adapter' * 9}/1"]
)
def test_second_user_is_refused(name: str) -> None:
    with ExclusiveUse(name, "The board"):
        with pytest.raises(LinkError) as refused, ExclusiveUse(name, "The board"):
            pass
        assert refused.value.cause is Cause.PORT_HELD
        with ExclusiveUse(f"{name}0", "Another board"):
            pass
    with ExclusiveUse(name, "The board"):
        pass
