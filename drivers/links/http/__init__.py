"""HTTP links: clients of device services, and a listener for devices that push."""
