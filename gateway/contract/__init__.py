"""Contract over MQTT: envelope, topics, states, commands. No I/O, and no device library."""
