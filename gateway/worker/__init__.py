"""TODO package docstring of gateway/worker."""
