"""Feature visualization, as several pages show it."""
