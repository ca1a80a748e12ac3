"""Code shared by commands: arguments, API client, rendering, terminal."""
