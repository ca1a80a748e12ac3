"""TODO package docstring of gateway/console/pages."""
