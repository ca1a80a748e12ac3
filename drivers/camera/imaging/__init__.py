"""TODO package docstring of drivers/camera/imaging."""
