"""TODO package docstring of gateway/delivery/writer."""
