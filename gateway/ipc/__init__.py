"""TODO package docstring of gateway/ipc."""
