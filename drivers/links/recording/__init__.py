"""TODO package docstring of drivers/links/recording."""
