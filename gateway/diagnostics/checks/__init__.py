"""Checks of the post and its machine.

Each `check_*` function yields findings, and each module has one subject.
"""
