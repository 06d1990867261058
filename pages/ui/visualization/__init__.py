"""Feature visualization and DeepDream, as several pages show them."""
