"""Audit: hash-chained, signed journal of commands, claims and technicians' operations.

Verification; breach report.
"""
