"""TODO package docstring of drivers/links/usb."""
