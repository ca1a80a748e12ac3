"""TODO package docstring of drivers/links/video."""
