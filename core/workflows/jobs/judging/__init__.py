"""Jobs that judge more closely: a run under spoilt pictures or by several views, images under each normalisation."""
