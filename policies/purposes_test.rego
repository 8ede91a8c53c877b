package dataspace_test

test_an_offer_keeps_to_the_purposes_of_its_zone if {
	reasons(register, {"offer": {"purposes": ["statistics", "sport"]}}) == [{"code": "purpose-not-in-zone", "asked": "sport"}]
}

test_a_purpose_that_is_not_offered_is_not_negotiated if {
	reasons(negotiate, {"offer": {"purposes": ["research"]}}) == [{
		"code": "purpose-not-offered", "asked": "statistics", "offered": ["research"],
	}]
}

test_a_zone_that_closes_a_purpose_closes_it_for_all if {
	every case in [negotiate, before, after] {
		reasons(case, {"zone": {"purposes": ["research"]}}) == [{"code": "purpose-not-in-zone", "asked": "statistics"}]
	}
}

test_a_query_has_the_purpose_of_its_agreement if {
	every case in [before, after] {
		reasons(case, {"query": {"purpose": "research"}}) == [{
			"code": "purpose-not-agreed", "asked": "research", "agreed": "statistics",
		}]
	}
}
