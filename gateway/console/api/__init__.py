"""TODO package docstring of gateway/console/api."""
