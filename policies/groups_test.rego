package dataspace_test

# As an aggregate: of rows no group is asked.
total := object.union(after, {"query": {"form": "aggregate"}, "result": {"complement": 12}})

small := [{"code": "group-too-small", "limit": 12}]

test_an_offer_does_not_go_below_its_zone if {
	decided(register, {"offer": {"min_group": 10}}).allow
	reasons(register, {"offer": {"min_group": 9}}) == [{"code": "group-limit-below-zone", "asked": 9, "limit": 10}]
}

test_the_larger_limit_holds if {
	reasons(total, {"result": {"smallest_group": 11}}) == small
	reasons(total, {"zone": {"min_group": 13}}) == [{"code": "group-too-small", "limit": 13}]
}

test_who_is_left_out_is_a_group_too if {
	every left_out in [1, 11] { reasons(total, {"result": {"complement": left_out}}) == small }
	every left_out in [12, 13] { decided(total, {"result": {"complement": left_out}}).allow }
}

test_a_condition_that_leaves_nobody_out_is_refused_like_one_that_leaves_one_out if {
	reasons(total, {"result": {"complement": 0}}) == small
	unfiltered := [column | some column in columns; column.use != "filter"]
	decided(total, {"query": {"columns": unfiltered}, "result": {"complement": 0}}).allow
}

test_the_reason_does_not_tell_how_small if {
	reasons(total, {"result": {"smallest_group": 1, "complement": 1}}) == small
}

test_an_answer_that_stands_for_nobody_is_refused if {
	reasons(total, {"result": {"rows": 0, "smallest_group": 0}}) == small
}

test_rows_are_no_group if {
	decided(after, {"result": {"rows": 1, "smallest_group": 1}}).allow
}

test_more_rows_than_offered_are_refused if {
	reasons(after, {"result": {"rows": 20001}}) == [{"code": "row-limit-passed", "limit": 20000}]
	decided(total, {"result": {"rows": 20001}}).allow
}
