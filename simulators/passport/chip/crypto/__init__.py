"""TODO package docstring of simulators/passport/chip/crypto."""
