"""Relay and input boards, a module a make."""
