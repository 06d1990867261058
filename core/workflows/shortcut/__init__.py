"""The shortcut lab: a mark is planted on one class, and networks trained with and without it are compared."""
