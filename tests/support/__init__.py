"""Parts that many tests use: a real broker, simulated devices, a complete gateway."""
