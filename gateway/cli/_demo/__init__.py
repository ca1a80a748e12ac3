"""TODO package docstring of gateway/cli/_demo."""
