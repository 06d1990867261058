"""Weights: downloads, files, transfer between networks."""
