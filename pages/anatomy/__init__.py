"""The page Anatomy: What is in it, and what will learn?"""
