"""Verbs on what was changed of a data source, its files left as they are."""
