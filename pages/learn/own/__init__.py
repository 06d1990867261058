"""Lessons on the person's own network and pictures: cut skips, a race on features, uneven classes."""
