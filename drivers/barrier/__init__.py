"""Barriers, gates and doors: moved by relays, observed by inputs."""
