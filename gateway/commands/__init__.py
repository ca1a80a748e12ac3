"""Commands from the broker to the devices: who may, in time, once, claimed, and all of it recorded."""
