"""Quality scale of the drivers and list of tried devices, computed from this repository: `make quality`."""
