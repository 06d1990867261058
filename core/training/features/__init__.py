"""Features of the frozen part, computed once and trained on."""
