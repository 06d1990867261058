"""What the pages share: frame, words, choices, caches, charts, pickers."""
