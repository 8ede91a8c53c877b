"""What a consumer may ask: one SELECT, parsed to a value, resolved under an offer, rendered anew."""
