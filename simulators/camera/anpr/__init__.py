"""TODO package docstring of simulators/camera/anpr."""
