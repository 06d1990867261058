"""The page Train: Is it learning?"""
