"""TODO package docstring of drivers/barrier/control."""
