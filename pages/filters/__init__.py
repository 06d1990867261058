"""The page Filters: What does it look for?"""
