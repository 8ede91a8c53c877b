# Who may act: roles, status, and whose the thing acted on is.
package dataspace

role_for := {
	"admit": "operator",
	"approve": "operator",
	"register": "provider",
	"withdraw": "provider",
	"negotiate": "consumer",
	"query.before": "consumer",
	"query.after": "consumer",
}

reasons contains {"code": "role-missing", "needed": role} if {
	role := role_for[act]
	not role in input.participant.roles
}

reasons contains {"code": "participant-suspended", "status": input.participant.status} if {
	input.participant.status != "active"
}

reasons contains {"code": "not-the-provider"} if {
	act in {"register", "withdraw"}
	input.dataset.provider != input.participant.id
}

reasons contains {"code": "not-the-consumer"} if {
	querying
	input.agreement.consumer != input.participant.id
}
