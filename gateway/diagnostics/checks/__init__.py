"""TODO package docstring of gateway/diagnostics/checks."""
