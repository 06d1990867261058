"""The page Shortcut lab: did a network learn the object, or a mark beside it?"""
