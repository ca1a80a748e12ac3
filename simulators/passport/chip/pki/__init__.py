"""TODO package docstring of simulators/passport/chip/pki."""
