"""TODO package docstring of drivers/links/modbus."""
