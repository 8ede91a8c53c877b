"""The key service: the one process that can open a sealed dataset, and opens totals alone."""
