"""The page Runs: Which was better, and why?"""
