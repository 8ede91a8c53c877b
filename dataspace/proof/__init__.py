"""The core of verification: what an auditor must trust; standard library and `cryptography` only."""
