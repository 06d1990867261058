"""The leak lab: the same pictures divided carelessly and carefully, and what the gap between both accuracies says."""
