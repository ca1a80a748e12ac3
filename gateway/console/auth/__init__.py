"""TODO package docstring of gateway/console/auth."""
