"""TODO package docstring of gateway/delivery/mqtt."""
