"""What client and service must agree on; standard library only.

Headers and media types are here; beside them lie the parameter sets, the envelopes
of encrypted queries and answers, and the reader of TenSEAL's messages.
"""

# An answer's body is the answer alone, so that its SHA-256 is the digest in its ledger entry.
ENTRY_HEADER = "Dataspace-Entry"  # the index of the entry, decimal
UNITS_HEADER = "Dataspace-Units"  # metered units
PRICE_HEADER = "Dataspace-Price"  # in fen (0.01 yuan)

ARROW = "application/vnd.apache.arrow.stream"
JSON = "application/json"
PROBLEM = "application/problem+json"
ENVELOPE = "application/vnd.dataspace.encrypted"  # an encrypted query or its answer
OCTETS = "application/octet-stream"  # points of a lookup or an intersection
