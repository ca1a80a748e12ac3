"""Rendering of devices, events, findings and safety cases, as text and as pages."""
