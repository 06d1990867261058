"""The page Data: which images are there, how are they divided, are they sound?"""
