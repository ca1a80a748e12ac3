"""An ONVIF camera: discovery, SOAP services, pulled events, pictures and streams."""
