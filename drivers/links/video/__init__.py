"""Video of cameras: RTSP streams and Video4Linux devices, of which only the latest frame is kept."""
