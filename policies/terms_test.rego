package dataspace_test

test_only_a_finalized_agreement_counts if {
	every state in ["REQUESTED", "VERIFIED", "TERMINATED", "finalized"] {
		every case in [before, after] {
			reasons(case, {"agreement": {"state": state}}) == [{"code": "agreement-not-finalized", "state": state}]
		}
	}
}

test_an_agreement_ends_to_the_nanosecond if {
	expired := [{"code": "agreement-expired", "expired": later}]
	every case in [before, after] {
		decided(case, {"now": later - 1}).allow
		reasons(case, {"now": later}) == expired
		reasons(case, {"now": later + 1}) == expired
	}
}

test_an_offer_ends_to_the_nanosecond if {
	decided(negotiate, {"now": later - 1}).allow
	reasons(negotiate, {"now": later}) == [{"code": "offer-expired", "expired": later}]
}

test_an_agreement_outlives_its_offer if decided(before, {"offer": {"expires": 1}}).allow

test_a_version_must_be_agreed_on if {
	every case in [before, after] {
		decided(case, {"dataset": {"version": 2}}).allow
		reasons(case, {"dataset": {"version": 3}}) == [{"code": "version-not-agreed", "asked": 3, "agreed": [1, 2]}]
	}
}

test_a_withdrawn_dataset_is_gone_for_every_act if {
	every case in [register, withdraw, negotiate, before, after] {
		reasons(case, {"dataset": {"withdrawn": true}}) == [{"code": "dataset-withdrawn"}]
	}
}
