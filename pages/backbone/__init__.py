"""The page Backbone: which network to start from, and with which weights?"""
