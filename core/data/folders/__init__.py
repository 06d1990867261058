"""Folders and archives with one folder a class: their layout, their names, and what is passed over."""
