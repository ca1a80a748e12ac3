"""The boards between barriers and us: each a module, all behind `drivers.barrier.board.Board`."""
