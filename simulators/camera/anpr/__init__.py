"""Cameras that read number plates, one module per maker."""
