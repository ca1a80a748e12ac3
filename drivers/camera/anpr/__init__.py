"""TODO package docstring of drivers/camera/anpr."""
