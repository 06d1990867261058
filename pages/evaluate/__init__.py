"""The page Evaluate: how good is a run on images it did not learn from, and where is it wrong?"""
