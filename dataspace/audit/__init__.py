"""The full audit of a ledger: every leaf, every node, every record, and the database against them."""
