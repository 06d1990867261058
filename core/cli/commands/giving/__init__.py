"""Verbs of networks that give pictures back."""
