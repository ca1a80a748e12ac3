"""Drivers of border-post devices: observations, commands and links."""

DRIVER_API = 1
"""Version of the interface for drivers of other packages; it grows with each change that breaks one."""
OLDEST_DRIVER_API = 1
"""Oldest version that this gateway still runs."""
