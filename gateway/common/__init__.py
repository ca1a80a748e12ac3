"""TODO package docstring of gateway/common."""
