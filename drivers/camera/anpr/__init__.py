"""Cameras that read number plates (ANPR): Axis, Dahua and Hikvision."""
