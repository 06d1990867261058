"""The arithmetic of the lessons: small sums written out term by term, each checked against torch by its tests."""
