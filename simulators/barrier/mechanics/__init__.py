"""The machine: booms, their controllers, vehicles, and all signals."""
