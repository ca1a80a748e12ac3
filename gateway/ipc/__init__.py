"""Communication between processes: frames over a socket pair, and requests with responses."""
