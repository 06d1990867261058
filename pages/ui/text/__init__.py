"""Text: translation, display names, numbers and durations."""
