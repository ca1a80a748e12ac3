"""Document readers in keyboard mode: decoding of Linux keyboard events into document lines. All pure."""
