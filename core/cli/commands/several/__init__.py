"""Verbs that train several runs as one object."""
