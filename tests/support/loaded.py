"""What a process imports that daemons of tests are forked off: their drivers, too."""

from drivers.driver import load_driver

for name in ("mrz-serial", "modbus-barrier", "camera-snapshot"):
    load_driver(name)
