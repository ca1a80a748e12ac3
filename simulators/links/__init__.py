"""TODO package docstring of simulators/links."""
