"""Attribution methods: heatmaps of which pixels speak for a class; ``registry`` is their table."""
