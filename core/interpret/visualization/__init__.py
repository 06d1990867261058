"""Feature visualization: images optimized to excite a channel or class, and DeepDream."""
