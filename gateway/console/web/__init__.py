"""TODO package docstring of gateway/console/web."""
