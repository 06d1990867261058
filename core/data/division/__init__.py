"""Relatives among images, groups of them dealt out, and divisions as folders on disk, with or without copies."""
