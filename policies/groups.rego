# Minimum groups: how many distinct subjects an answer, and what it leaves out, must stand for. The reason names
# the limit and never the number found: that number is the secret.
package dataspace

min_group := max([input.zone.min_group, input.offer.min_group])

reasons contains {"code": "group-limit-below-zone", "asked": input.offer.min_group, "limit": input.zone.min_group} if {
	act == "register"
	input.offer.min_group < input.zone.min_group
}

# Rows are no group: each leaves masked, alone or with others, and nothing that is hidden chose it.
reasons contains {"code": "group-too-small", "limit": min_group} if {
	act == "query.after"
	not input.query.form in of_records
	input.result.smallest_group < min_group
}

# Who is left out is a group too: all but one subject is an answer about that one.
reasons contains {"code": "group-too-small", "limit": min_group} if {
	act == "query.after"
	input.result.complement > 0
	input.result.complement < min_group
}

# And so is nobody: were a condition that leaves nobody out answered, and one that leaves one out refused, the two
# answers together would tell that one apart.
reasons contains {"code": "group-too-small", "limit": min_group} if {
	act == "query.after"
	filtered
	not input.query.form in of_records
	input.result.complement < min_group
}

filtered if {
	some column in input.query.columns
	column.use == "filter"
}

reasons contains {"code": "row-limit-passed", "limit": input.offer.row_limit} if {
	act == "query.after"
	input.query.form == "rows"
	input.result.rows > input.offer.row_limit
}
