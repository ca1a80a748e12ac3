"""TODO package docstring of gateway/cli/_lib."""
