"""Feature visualization: images that excite a channel or a class, and deep dream."""
