"""Worker: the process of one device, which runs its driver, commands, self-tests and traces."""
