"""The page Data: What do I have?"""
