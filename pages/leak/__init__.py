"""The page Leak lab: the same pictures divided carelessly and carefully."""
