package dataspace_test

risky := object.union(register, {"release": {"passes": false, "failing": ["k", "unique_ppm"]}})

test_rows_that_persons_could_be_found_in_are_not_published if {
	reasons(risky, {}) == [{"code": "release-above-threshold", "failing": ["k", "unique_ppm"]}]
}

test_what_leaves_no_rows_may_be_risky_as_rows if {
	reasons(risky, {"offer": {"forms": ["aggregate", "encrypted"]}}) == []
}

test_a_second_person_lifts_what_it_was_asked_for if {
	reasons(risky, approved(["release-above-threshold"])) == []
	reasons(risky, approved(["category-contradicted"])) == reasons(risky, {})
}

test_a_level_goes_down_measured_and_approved if {
	lower := object.union(register, {"dataset": {"level": 2, "graded_level": 3}})
	reasons(lower, {}) == [{"code": "level-lowered", "asked": 2, "limit": 3}]
	reasons(lower, approved(["level-lowered"])) == []
	unmeasured := object.union(approved(["level-lowered", "release-above-threshold"]), {"release": {"passes": false}})
	reasons(lower, unmeasured) == reasons(lower, {})
}

test_a_level_may_go_up if reasons(register, {"dataset": {"level": 4, "graded_level": 3}}) == []

test_values_that_contradict_a_category_are_named if {
	wrong := object.union(register, {"dataset": {"contradicted": ["证件号", "tel"]}})
	reasons(wrong, {}) == [
		{"code": "category-contradicted", "column": "tel"},
		{"code": "category-contradicted", "column": "证件号"},
	]
	reasons(wrong, approved(["category-contradicted"])) == []
}

test_an_approval_is_another_persons if {
	every by in ["pt-p", ""] {
		own := {"approval": {"codes": ["release-above-threshold"], "by": by}}
		reasons(risky, own) == [{"code": "not-a-second-person"}]
	}
	reasons(approve, {"approval": {"provider": "pt-o"}}) == [{"code": "not-a-second-person"}]
}

approved(codes) := {"approval": {"codes": codes, "by": "pt-o"}}
