"""The page Filters: what do a network's convolutions look for?"""
