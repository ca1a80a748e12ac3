"""Boards of relays and inputs, one module each, behind the interface `drivers.barrier.board.Board`."""
