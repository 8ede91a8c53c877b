"""The journey of a provider: from uploaded bytes to a registered version of a dataset."""
