"""The page Evaluate: How good, and where not?"""
