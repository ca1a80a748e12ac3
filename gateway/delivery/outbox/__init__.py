"""TODO package docstring of gateway/delivery/outbox."""
