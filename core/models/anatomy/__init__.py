"""The anatomy of a network, from one traced forward pass."""
