"""TODO package docstring of drivers/passport/emrtd/protocols."""
