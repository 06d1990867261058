"""The page Feature maps: what does each layer answer to an image?"""
