# Privacy computing: which consumers a form needs to trust, when an aggregate needs noise, and what the history of a
# dataset forbids. A malicious consumer reads every operand that its ciphertext multiplies (with noise that it made
# large), so an operand that is not released to it as a whole is for those alone that the offer names semi-honest.
package dataspace

reasons contains {"code": "consumer-not-semi-honest", "form": input.query.form} if {
	querying
	not input.query.releasable
	not input.participant.id in input.offer.semi_honest
}

# A selector of rows multiplies the rows themselves, whatever is said of the query.
reasons contains {"code": "consumer-not-semi-honest", "form": "selector"} if {
	querying
	input.query.form == "selector"
	not input.participant.id in input.offer.semi_honest
}

# Noise costs no epsilon where another account of the same legal entity paid for the very same numbers.
reasons contains {"code": "noise-required"} if {
	querying
	input.query.form == "aggregate"
	not input.query.noised
	not input.offer.exact
}

# With all that was released before, the answer would isolate fewer subjects than the minimum.
reasons contains {"code": "history-isolates", "limit": min_group} if {
	act == "query.after"
	input.result.isolates
}

# The history is too long to be searched in bounded time, and what cannot be checked is not answered.
reasons contains {"code": "history-full"} if {
	act == "query.after"
	input.result.unchecked
}
