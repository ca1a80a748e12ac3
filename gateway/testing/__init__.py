"""Acceptance of drivers: what our own drivers are accepted by, for drivers of any package."""
