"""A whole run as one zip: written with the hash of every file, and taken in again with distrust."""
