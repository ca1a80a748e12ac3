"""What many tests need: a real broker, a wire to play on, a whole gateway."""
