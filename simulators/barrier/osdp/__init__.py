"""TODO package docstring of simulators/barrier/osdp."""
