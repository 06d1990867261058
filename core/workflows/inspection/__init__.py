"""Trust in a heatmap, studies of many heatmaps, surveys of channels and filters over a data set."""
