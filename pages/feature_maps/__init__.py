"""The page Feature maps: what does each layer make of an image?"""
