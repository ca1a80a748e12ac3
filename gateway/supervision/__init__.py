"""TODO package docstring of gateway/supervision."""
