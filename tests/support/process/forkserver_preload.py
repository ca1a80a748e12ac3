"""Imports of the process from which daemons and simulators of tests are forked, with drivers and kinds."""

import gc

from drivers.registry import load_driver
from simulators.barrier.post_barrier import ModbusBarrierSettings as _Barrier  # noqa: F401
from simulators.passport.serial_mrz import SerialMrzSettings as _Reader  # noqa: F401

for name in ("mrz-serial", "modbus-barrier"):
    load_driver(name)

# As the product does: the collector of a forked process would touch, and so copy, every imported object.
gc.collect()
gc.freeze()
