"""The page Shortcut: Did it learn the object, or something beside it?"""
