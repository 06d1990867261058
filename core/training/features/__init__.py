"""Features of the frozen part of a network: computed once, kept, and trained on."""
