"""Autoencoder: a network that gives pictures back through a narrow place."""
