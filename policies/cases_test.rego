# An allowed case of every act; the tests beside it change one fact at a time.
package dataspace_test

import data.dataspace

now := 1795395973000000000

later := 1795395973000000001

zone := {"name": "z", "purposes": ["statistics", "research"], "min_group": 10, "max_rows_level": 2, "max_aggregate_level": 4}

offer := {
	"id": "of-1", "purposes": ["statistics", "research"], "forms": ["rows", "aggregate", "encrypted"],
	"units": 100, "min_group": 12, "row_limit": 20000, "expires": later, "exact": true, "semi_honest": ["pt-s"],
}

dataset := {
	"id": "ds-1", "version": 1, "level": 3, "graded_level": 3, "contradicted": [], "withdrawn": false,
	"provider": "pt-p", "epsilon": {"granted": 8000000, "spent": 1000000, "reserved": 0},
}

consumer := {"id": "pt-c", "roles": ["consumer"], "status": "active"}

provider := {"id": "pt-p", "roles": ["consumer", "provider"], "status": "active"}

agreement := {
	"id": "ag-1", "state": "FINALIZED", "consumer": "pt-c", "purpose": "statistics", "forms": ["rows", "aggregate"],
	"expires": later, "versions": [1, 2],
	"units": {"granted": 100, "spent": 90, "reserved": 5},
	"epsilon": {"granted": 1000000, "spent": 400000, "reserved": 100000},
}

columns := [
	{"name": "amount", "level": 2, "category": "amount", "method": "keep", "use": "select"},
	{"name": "town", "level": 1, "category": "general", "method": "keep", "use": "filter"},
	{"name": "name", "level": 2, "category": "name", "method": "mask", "use": "select"},
]

query := {
	"form": "rows", "purpose": "statistics", "columns": columns,
	"units": 5, "epsilon": 0, "releasable": true, "noised": false,
}

admit := {"action": "admit", "now": now, "participant": {"id": "pt-o", "roles": ["operator"], "status": "active"}}

register := {
	"action": "register", "now": now, "participant": provider, "zone": zone,
	"dataset": dataset, "offer": offer, "release": {"passes": true, "failing": []}, "approval": {"codes": []},
}

approve := {
	"action": "approve", "now": now, "participant": {"id": "pt-o", "roles": ["operator"], "status": "active"},
	"approval": {"provider": "pt-p", "codes": ["release-above-threshold"]},
}

withdraw := {"action": "withdraw", "now": now, "participant": provider, "zone": zone, "dataset": dataset}

negotiate := {
	"action": "negotiate", "now": now, "participant": consumer, "zone": zone, "dataset": dataset, "offer": offer,
	"agreement": {"purpose": "statistics", "forms": ["rows"], "epsilon": 1000000},
}

before := {
	"action": "query", "stage": "before", "now": now, "participant": consumer, "zone": zone,
	"dataset": dataset, "offer": offer, "agreement": agreement, "query": query,
}

result := {"rows": 20000, "smallest_group": 12, "complement": 12, "isolates": false, "unchecked": false}

after := object.union(before, {"stage": "after", "result": result})

acts := [admit, approve, register, withdraw, negotiate, before, after]

# What is decided when the case differs in some facts; objects are merged, anything else replaced.
decided(case, changed) := decision if {
	decision := dataspace.decision with input as object.union(case, changed) with data.dataspace.revision as "r"
}

reasons(case, changed) := decided(case, changed).reasons
