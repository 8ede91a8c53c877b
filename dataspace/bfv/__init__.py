"""The BFV scheme as all who compute with it share it: SEAL, and its streams read to the last bit."""
