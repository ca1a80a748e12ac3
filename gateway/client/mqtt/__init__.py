"""Connection to the broker, on any event loop."""
