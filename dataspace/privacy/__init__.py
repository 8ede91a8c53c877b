"""Pure functions that protect: what of a dataset may leave, and in which form."""
