"""Relatives among images, groups of them dealt out, and divisions as folders on disk, with changed copies or without."""
