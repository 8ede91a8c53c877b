"""A trusted data space: domain zones share data under policy, and anyone can verify what was done."""

__version__ = "0.1.0"
