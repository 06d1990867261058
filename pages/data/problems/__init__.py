"""The view Problems: what the check of the images found, a card a finding, and how it is repaired."""
