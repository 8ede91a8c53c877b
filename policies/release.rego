# Release: what a registration may do only on the word of a second person, who was shown the very report: publish rows
# that persons could be found in, grade data lower than its zone does, or call a column what its values contradict.
package dataspace

# The service compares: an approval is of exactly one registration.
lifted(code) if code in input.approval.codes

reasons contains {"code": "release-above-threshold", "failing": input.release.failing} if {
	act == "register"
	"rows" in input.offer.forms
	input.release.passes != true
	not lifted("release-above-threshold")
}

reasons contains {
	"code": "level-lowered",
	"asked": input.dataset.level, "limit": input.dataset.graded_level,
} if {
	act == "register"
	input.dataset.level < input.dataset.graded_level
	not lowered
}

# A grade goes down by a de-identification that was measured, and approved: neither does alone.
lowered if {
	lifted("level-lowered")
	input.release.passes == true
}

reasons contains {"code": "category-contradicted", "column": column} if {
	act == "register"
	some column in input.dataset.contradicted
	not lifted("category-contradicted")
}

reasons contains {"code": "not-a-second-person"} if {
	act == "approve"
	input.approval.provider == input.participant.id
}

reasons contains {"code": "not-a-second-person"} if {
	act == "register"
	count(input.approval.codes) > 0
	not by_another
}

by_another if {
	is_text(input.approval.by)
	input.approval.by != input.participant.id
}
