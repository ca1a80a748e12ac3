"""Sending to one broker: in-flight window, order of streams, retained messages, refusals."""
