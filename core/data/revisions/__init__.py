"""What a person changed of a data source: records of it, where they are stored, and what they make of its images.

The files stay as they are. A :class:`~core.data.revisions.record.Revision` says which pictures are left out, which bear
another class, which stand in another split, which classes are one, and which findings are no problem.
"""
