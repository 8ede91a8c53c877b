# The decision: the one entrypoint. Every rule beside it adds reasons against; an act is allowed when it is
# known, every fact its rules read is there, and no reason was found.
package dataspace

# METADATA
# entrypoint: true
decision := {
	"allow": allow,
	"reasons": sort(reasons),
	"obligations": obligations,
	"revision": data.dataspace.revision,
}

default allow := false

allow if {
	act
	count(reasons) == 0
}

# A query is asked about twice, before it is computed and after; no caller can name these two itself.
act := input.action if input.action in {"admit", "approve", "negotiate", "register", "withdraw"}

act := "query.before" if {
	input.action == "query"
	input.stage == "before"
}

act := "query.after" if {
	input.action == "query"
	input.stage == "after"
}

querying if act in {"query.before", "query.after"}

reasons contains {"code": "action-unknown"} if not act
