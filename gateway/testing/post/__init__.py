"""A whole simulated post: broker, devices and gateway, for demos, scenarios and tests of consumers."""
