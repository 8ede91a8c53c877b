"""The tamper-evident ledger: entries of fixed kinds in a Merkle tree, under signed checkpoints."""
