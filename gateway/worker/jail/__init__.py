"""Jail of a worker: limits of files, devices, networks and system calls that the kernel enforces."""
