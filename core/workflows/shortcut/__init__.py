"""The shortcut lab: a mark planted on one class, and whether a network falls for it."""
