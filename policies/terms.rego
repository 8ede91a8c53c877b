# Terms: the state of the agreement, the versions it covers, and time; times are integer nanoseconds.
package dataspace

reasons contains {"code": "agreement-not-finalized", "state": input.agreement.state} if {
	querying
	input.agreement.state != "FINALIZED"
}

# The moment of expiry is already too late.
reasons contains {"code": "agreement-expired", "expired": input.agreement.expires} if {
	querying
	input.agreement.expires <= input.now
}

reasons contains {"code": "offer-expired", "expired": input.offer.expires} if {
	act == "negotiate"
	input.offer.expires <= input.now
}

reasons contains {"code": "version-not-agreed", "asked": input.dataset.version, "agreed": input.agreement.versions} if {
	querying
	not input.dataset.version in input.agreement.versions
}

reasons contains {"code": "dataset-withdrawn"} if input.dataset.withdrawn == true
