"""Verbs that take something out of the lab."""
