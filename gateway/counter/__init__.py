"""The counter page for officers: static files for browsers, built by `make counter`."""
