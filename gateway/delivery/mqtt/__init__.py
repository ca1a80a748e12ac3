"""One MQTT 5 connection, on paho-mqtt."""
