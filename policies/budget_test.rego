package dataspace_test

test_units_are_spent_to_the_last if {
	decided(before, {"query": {"units": 5}}).allow
	reasons(before, {"query": {"units": 6}}) == [{"code": "units-exhausted", "needed": 6, "left": 5}]
}

test_what_is_reserved_counts_as_spent if {
	reasons(before, {"agreement": {"units": {"reserved": 6}}}) == [{"code": "units-exhausted", "needed": 5, "left": 4}]
}

test_epsilon_is_spent_to_the_last_millionth if {
	decided(before, {"query": {"epsilon": 500000}}).allow
	reasons(before, {"query": {"epsilon": 500001}}) == [{
		"code": "epsilon-exhausted", "needed": 500001, "left": 500000,
	}]
}

test_after_the_computation_the_reservation_is_the_querys_own if {
	decided(after, {"agreement": {"units": {"reserved": 10}}}).allow
	reasons(after, {"agreement": {"units": {"reserved": 11}}}) == [{"code": "units-exhausted", "needed": 0, "left": -1}]
}
