"""OSDP: a card reader whose outputs operate a barrier."""
