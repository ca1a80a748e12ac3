"""The wires: the only modules that touch pyserial, pyusb and their like. Each link can be traced."""
