"""Adds this folder to sys.path (by pytest), so that folders below find `camera_fixture`."""
