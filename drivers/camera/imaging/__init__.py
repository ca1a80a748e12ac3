"""Image processing for cameras: integrity of JPEG, measurements, faces and advice."""
