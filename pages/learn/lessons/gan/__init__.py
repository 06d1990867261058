"""Lessons on networks that play against each other."""
