"""The anatomy of a network, from one traced forward pass: stages, blocks, layers, receptive fields."""
