"""A camera as ONVIF has it: found on the network, asked by SOAP, its events pulled, its pictures shown."""
