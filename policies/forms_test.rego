package dataspace_test

import data.dataspace

test_a_form_must_be_known if {
	unknown := {"code": "form-unknown", "asked": "raw"}
	reasons(register, {"offer": {"forms": ["rows", "raw"]}}) == [unknown]
	reasons(negotiate, {"offer": {"forms": ["rows", "raw"]}, "agreement": {"forms": ["raw"]}}) == [unknown]
	reasons(before, {"agreement": {"forms": ["raw"]}, "query": {"form": "raw"}}) == [unknown]
}

test_forms_that_are_not_offered_are_not_negotiated if {
	reasons(negotiate, {"offer": {"forms": ["rows"]}, "agreement": {"forms": ["rows", "encrypted"]}}) == [{
		"code": "forms-not-offered", "asked": ["encrypted"], "offered": ["rows"],
	}]
}

test_a_form_that_is_not_agreed_is_refused if {
	every case in [before, after] {
		reasons(case, {"query": {"form": "encrypted"}}) == [{
			"code": "form-not-agreed", "asked": "encrypted", "agreed": ["rows", "aggregate"],
		}]
	}
}

test_a_dataset_above_the_limit_is_not_aggregated if {
	high := {"dataset": {"level": 5}}
	every form in ["aggregate", "encrypted"] {
		reason := {"code": "level-forbids-form", "form": form, "level": 5, "limit": 4}
		changed := {"query": {"form": form}, "agreement": {"forms": [form]}}
		reasons(before, object.union(changed, high)) == [reason]
		reasons(register, object.union({"offer": {"forms": [form]}}, high)) == [reason]
	}
	decided(before, {"dataset": {"level": 4}, "query": {"form": "aggregate"}}).allow
	decided(register, object.union({"offer": {"forms": ["rows"]}}, high)).allow
}

test_a_column_above_the_limit_never_leaves_as_rows if {
	every method in ["keep", "round", "noise", "mask", "generalize", "pseudonymize", "fpe"] {
		high := {"name": "account", "level": 3, "method": method, "use": "select"}
		reasons(before, {"query": {"columns": [high]}}) == [{
			"code": "level-forbids-form", "form": "rows", "column": "account", "level": 3, "limit": 2,
		}]
	}
}

test_a_suppressed_column_does_not_leave if {
	high := {"name": "account", "level": 4, "method": "suppress", "use": "select"}
	decided(before, {"query": {"columns": [high]}}).allow
}

test_a_hidden_value_is_not_told_by_other_means if {
	every method in ["microaggregate", "noise", "shift", "mask", "pseudonymize", "fpe", "suppress", "unheard-of"] {
		every use in ["filter", "order", "group", "join"] {
			column := {"name": "name", "level": 1, "method": method, "use": use}
			reasons(before, {"query": {"columns": [column]}}) == [{
				"code": "column-forbids-use", "column": "name", "method": method, "use": use,
			}]
		}
	}
}

test_a_use_that_fits_the_method_is_allowed if {
	every method in dataspace.coarse {
		every use in ["select", "filter", "group", "order", "measure"] { fits(method, use) }
	}
	every method in dataspace.hidden {
		every use in ["select", "measure"] { fits(method, use) }
	}
}

fits(method, use) if {
	column := {"name": "x", "level": 1, "method": method, "use": use}
	decided(before, {"query": {"columns": [column]}}).allow
}
