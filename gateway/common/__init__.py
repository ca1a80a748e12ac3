"""Small parts that several packages of the gateway share."""
