"""The page Heatmaps: Where does it look to decide?"""
