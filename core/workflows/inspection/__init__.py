"""A trained network looked into: trust, studies of many heatmaps, surveys of channels and filters."""
