"""How a network is trained, in torch."""
