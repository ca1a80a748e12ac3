"""Relay and input boards, one module per make."""
