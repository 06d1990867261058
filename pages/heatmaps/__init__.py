"""The page Heatmaps: which parts of an image speak for a class, and how far can the map be trusted?"""
