"""The page Backbone: Which network shall I start from?"""
