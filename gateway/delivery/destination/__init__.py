"""TODO package docstring of gateway/delivery/destination."""
