"""Measurements, as ratios of two things run in turn in one process on the same data: `make bench`."""
