# Forms, levels and columns: in which form an answer may leave, what the level of the data forbids, and what a column's
# desensitization leaves possible.
package dataspace

forms := {
	"rows", "aggregate", "encrypted",
	"lookup", "intersection", "score", "selector", "joint", "sealed",
}

# In these a record of its own leaves; in the others numbers about many.
of_records := {"rows", "lookup"}

forms_asked contains form if {
	act == "register"
	some form in input.offer.forms
}

forms_asked contains form if {
	act == "negotiate"
	some form in input.agreement.forms
}

forms_asked contains input.query.form if querying

reasons contains {"code": "form-unknown", "asked": form} if {
	some form in forms_asked
	not form in forms
}

reasons contains {"code": "forms-not-offered", "asked": asked, "offered": input.offer.forms} if {
	act == "negotiate"
	asked := [form | some form in input.agreement.forms; not form in input.offer.forms]
	count(asked) > 0
}

reasons contains {"code": "form-not-agreed", "asked": input.query.form, "agreed": input.agreement.forms} if {
	querying
	not input.query.form in input.agreement.forms
}

# The highest level wins: a dataset is as sensitive as its most sensitive column, counted or not.
reasons contains {"code": "level-forbids-form", "form": form, "level": input.dataset.level, "limit": limit} if {
	some form in (forms_asked - of_records)
	act != "negotiate"
	limit := input.zone.max_aggregate_level
	input.dataset.level > limit
}

# As a record a column stays within the limit masked or not: a mask lowers no level by itself.
reasons contains {
	"code": "level-forbids-form", "form": input.query.form, "column": column.name,
	"level": column.level, "limit": limit,
} if {
	querying
	input.query.form in of_records
	limit := input.zone.max_rows_level
	some column in input.query.columns
	column.level > limit
	column.method != "suppress"
}

# What may be done with a column, by its method. A predicate, an order or a group over a hidden value
# would tell it; over a generalized, rounded or top-coded column they read the coarser value, which leaves anyway.
# Sums and averages are measured on the value itself, where the provider said so.
coarse := {"keep", "round", "top_code", "generalize"}

hidden := {"microaggregate", "noise", "shift", "mask", "pseudonymize", "fpe", "suppress"}

reasons contains {"code": "column-forbids-use", "column": column.name, "method": column.method, "use": column.use} if {
	querying
	some column in input.query.columns
	not may(column.method, column.use)
}

may(method, use) if {
	method in coarse
	use in {"select", "filter", "group", "order", "measure"}
}

may(method, use) if {
	method in hidden
	use in {"select", "measure"}
}
