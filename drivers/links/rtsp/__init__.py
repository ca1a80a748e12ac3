"""RTSP 1.0 client: messages, authentication, description of the session, and packets to frames."""
