"""The page Feature maps: What does each layer see?"""
