# Budget: metered units and privacy budget (epsilon, in millionths), each granted once by the agreement.
package dataspace

# After the computation this query's own part is among what is reserved, so nothing more is needed then.
needs(amount) := amount if act == "query.before"

needs(_) := 0 if act == "query.after"

left(budget) := (budget.granted - budget.spent) - budget.reserved

reasons contains {"code": "units-exhausted", "needed": needed_units, "left": left_units} if {
	needed_units := needs(input.query.units)
	left_units := left(input.agreement.units)
	needed_units > left_units
}

reasons contains {"code": "epsilon-exhausted", "needed": needed_epsilon, "left": left_epsilon} if {
	needed_epsilon := needs(input.query.epsilon)
	left_epsilon := left(input.agreement.epsilon)
	needed_epsilon > left_epsilon
}

# What all consumers together may learn of a dataset. Each agreement's own part was set aside when it was concluded.
reasons contains {"code": "dataset-epsilon-exhausted", "needed": needed_epsilon, "left": left_epsilon} if {
	needed_epsilon := needs(input.query.epsilon)
	left_epsilon := left(input.dataset.epsilon)
	needed_epsilon > left_epsilon
}

reasons contains {"code": "dataset-epsilon-promised", "needed": needed_epsilon, "left": left_epsilon} if {
	act == "negotiate"
	needed_epsilon := input.agreement.epsilon
	left_epsilon := left(input.dataset.epsilon)
	needed_epsilon > left_epsilon
}
