"""The page Anatomy: what is in a network, and what of it will learn?"""
