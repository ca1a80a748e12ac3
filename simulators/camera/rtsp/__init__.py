"""Video by RTSP: pictures encoded as H.264, in RTP packets, over the connection they were asked for on."""
