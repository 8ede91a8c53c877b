package dataspace_test

test_rows_are_limited_masked_and_grouped if {
	decided(before, {}).obligations == [
		{"kind": "min_group", "value": 12},
		{"kind": "mask", "value": ["name"]},
		{"kind": "row_limit", "value": 20000},
	]
}

test_aggregates_have_no_row_limit if {
	decided(before, {"query": {"form": "aggregate", "columns": []}}).obligations == [
		{"kind": "min_group", "value": 12},
		{"kind": "mask", "value": []},
	]
}

test_after_the_computation_the_same_holds if {
	decided(after, {}).obligations == decided(before, {}).obligations
}

test_other_acts_oblige_to_nothing if {
	every case in [admit, register, withdraw, negotiate] { decided(case, {}).obligations == [] }
}

test_a_denial_obliges_to_nothing if decided(before, {"query": {"units": 6}}).obligations == []
