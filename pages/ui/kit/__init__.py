"""Building blocks of every page: navigation, style, empty, busy and broken states, tiles, charts."""
