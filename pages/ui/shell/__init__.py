"""The frame round every page: configuration, navigation, sidebar, error boundary."""
