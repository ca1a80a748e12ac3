"""A post on a real kernel: Debian 13 in QEMU, real device nodes, power cuts. `make vm-test`."""
