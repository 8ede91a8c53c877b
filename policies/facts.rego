# Facts: what the rules of each act read, and of which kind it must be. A fact that is absent or of
# another kind is itself a reason, so no rule fails open on it.
package dataspace

participant := {"id": "text", "roles": "texts", "status": "text"}

# Terms are a list of at least one text; a budget is granted, spent and reserved.
needed := {
	"admit": {"participant": participant},
	"withdraw": {
		"participant": participant,
		"dataset": {"provider": "text", "withdrawn": "flag"},
	},
	"register": {
		"participant": participant,
		"zone": {"purposes": "terms", "min_group": "count", "max_aggregate_level": "count"},
		"dataset": {
			"provider": "text",
			"level": "count",
			"graded_level": "count",
			"contradicted": "texts",
			"withdrawn": "flag",
		},
		"release": {"passes": "flag", "failing": "texts"},
		"approval": {"codes": "texts"},
		"offer": {"purposes": "terms", "forms": "terms", "min_group": "count"},
	},
	"approve": {
		"participant": participant,
		"approval": {"provider": "text", "codes": "terms"},
	},
	"negotiate": {
		"participant": participant,
		"zone": {"purposes": "terms"},
		"dataset": {"withdrawn": "flag", "epsilon": "budget"},
		"offer": {"purposes": "terms", "forms": "terms", "expires": "count"},
		"agreement": {"purpose": "text", "forms": "terms", "epsilon": "count"},
	},
	"query.before": query_facts,
	"query.after": object.union(
		query_facts,
		{"result": {
			"rows": "count", "smallest_group": "count", "complement": "count",
			"isolates": "flag", "unchecked": "flag",
		}},
	),
}

query_facts := {
	"participant": participant,
	"zone": {
		"purposes": "terms",
		"min_group": "count",
		"max_rows_level": "count",
		"max_aggregate_level": "count",
	},
	"dataset": {"version": "count", "level": "count", "withdrawn": "flag", "epsilon": "budget"},
	"offer": {"min_group": "count", "row_limit": "count", "exact": "flag", "semi_honest": "texts"},
	"agreement": {
		"state": "text",
		"consumer": "text",
		"purpose": "text",
		"forms": "terms",
		"expires": "count",
		"versions": "counts",
		"units": "budget",
		"epsilon": "budget",
	},
	"query": {
		"form": "text",
		"purpose": "text",
		"columns": "columns",
		"units": "count",
		"epsilon": "count",
		"releasable": "flag",
		"noised": "flag",
	},
}

reasons contains {"code": "fact-missing", "fact": concat(".", [part, name]), "want": kind} if {
	some part, names in needed[act]
	some name, kind in names
	not present(kind, part, name)
}

reasons contains {"code": "fact-missing", "fact": "now", "want": "count"} if not timed

# Rules of their own: an undefined argument inside `not` makes the whole body undefined, not true.
present(kind, part, name) if is_of(kind, input[part][name])

timed if is_count(input.now)

is_of("text", value) if is_text(value)

is_of("count", value) if is_count(value)

is_of("flag", value) if is_boolean(value)

is_of("texts", value) if is_texts(value)

is_of("terms", value) if {
	is_texts(value)
	count(value) > 0
}

is_of("counts", value) if {
	is_array(value)
	every item in value { is_count(item) }
}

is_of("budget", value) if {
	is_count(value.granted)
	is_count(value.spent)
	is_count(value.reserved)
}

is_of("columns", value) if {
	is_array(value)
	every column in value {
		is_text(column.name)
		is_count(column.level)
		is_text(column.method)
		is_text(column.use)
	}
}

is_text(value) if {
	is_string(value)
	value != ""
}

is_texts(value) if {
	is_array(value)
	every item in value { is_text(item) }
}

is_count(value) if {
	is_number(value)
	value >= 0
	floor(value) == value
}
