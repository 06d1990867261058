"""Building blocks of every page: navigation, style, page states, tiles, charts."""
