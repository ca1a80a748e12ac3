"""Scenarios of a simulated post: their file, their run, and its report."""
