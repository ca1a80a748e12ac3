"""TODO package docstring of drivers/links/http."""
