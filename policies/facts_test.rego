package dataspace_test

import data.dataspace

test_every_fact_that_is_missing_is_a_reason if {
	every case in acts {
		every path in paths(case) {
			missing(json.remove(case, [path]), replace(path, "/", "."))
		}
	}
}

test_every_fact_of_another_kind_is_a_reason if {
	every case in acts {
		every path in paths(case) {
			[part, name] := split(path, "/")
			every wrong in [null, {}, -1, 0.5, [""], [[]]] {
				missing(object.union(json.remove(case, [path]), {part: {name: wrong}}), concat(".", [part, name]))
			}
		}
	}
}

test_a_part_of_another_kind_is_a_reason if {
	missing(object.union(admit, {"participant": "pt-o"}), "participant.id")
	missing(object.union(admit, {"participant": ["pt-o"]}), "participant.roles")
	missing(json.remove(admit, ["participant"]), "participant.status")
}

test_the_time_must_be_there if {
	every case in acts { missing(json.remove(case, ["now"]), "now") }
	every wrong in ["1795395973000000000", -1, 0.5, null] { missing(object.union(admit, {"now": wrong}), "now") }
}

test_empty_terms_are_missing if {
	missing(object.union(register, {"offer": {"forms": []}}), "offer.forms")
	missing(object.union(register, {"offer": {"purposes": []}}), "offer.purposes")
	missing(object.union(before, {"agreement": {"forms": []}}), "agreement.forms")
}

test_every_part_of_a_budget_is_needed if {
	every part in ["granted", "spent", "reserved"] {
		missing(json.remove(before, [concat("/", ["agreement", "units", part])]), "agreement.units")
		missing(object.union(before, {"agreement": {"epsilon": {part: -1}}}), "agreement.epsilon")
	}
}

test_every_part_of_a_column_is_needed if {
	every part in ["name", "level", "method", "use"] {
		column := json.remove(columns[0], [part])
		missing(object.union(before, {"query": {"columns": [column]}}), "query.columns")
	}
}

test_a_query_may_read_no_column if decided(before, {"query": {"columns": []}}).allow

paths(case) := {concat("/", [part, name]) |
	some part, names in dataspace.needed[act_of(case)]
	some name, _ in names
}

act_of(case) := concat(".", ["query", case.stage])

act_of(case) := case.action if not case.stage

missing(case, fact) if {
	decision := decided(case, {})
	decision.allow == false
	fact in {reason.fact | some reason in decision.reasons; reason.code == "fact-missing"}
}
