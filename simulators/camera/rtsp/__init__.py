"""Video by RTSP: H.264 or H.265 in RTP packets, over the connection of the request."""
