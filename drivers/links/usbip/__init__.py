"""TODO package docstring of drivers/links/usbip."""
