"""Images of what was computed: overlays, sheets of tiles, colour maps."""
