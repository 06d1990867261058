"""The page Compare: which of several runs was better, why, and by more than chance?"""
