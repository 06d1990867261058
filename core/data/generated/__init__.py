"""Pictures that are drawn when they are asked for: letters, circles, clothes and slices of heads, all seeded."""
