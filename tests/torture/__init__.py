"""Torture test: power cuts, outages, full disks, wrong clocks, and two counting subscribers."""
