"""Heatmaps as several pages draw them: by which method, on which scale, laid over the picture, tested."""
