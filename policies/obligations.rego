# Obligations: what whoever lets an act pass must still do; a closed set, and a denial carries none.
package dataspace

default obligations := []

obligations := array.concat(groups_and_masks, rows_only) if {
	allow
	querying
}

groups_and_masks := [
	{"kind": "min_group", "value": min_group},
	{"kind": "mask", "value": sort({column.name | some column in input.query.columns; column.method != "keep"})},
]

default rows_only := []

rows_only := [{"kind": "row_limit", "value": input.offer.row_limit}] if input.query.form == "rows"
