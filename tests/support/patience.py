"""Longest wait of a test for an event without a limit of its own: a busy machine takes ten times as long."""

PATIENCE_S = 60.0
