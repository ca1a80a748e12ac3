"""What leaves and enters over MQTT: envelope, topics, states. No I/O, and no device library."""
