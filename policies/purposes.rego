# Purposes: a purpose is a word of the zone's closed list, offered by the provider, agreed to, and asked for.
package dataspace

reasons contains {"code": "purpose-not-in-zone", "asked": purpose} if {
	act == "register"
	some purpose in input.offer.purposes
	not purpose in input.zone.purposes
}

# Also at every query: a zone that closes a purpose closes it for agreements made before.
reasons contains {"code": "purpose-not-in-zone", "asked": purpose} if {
	act in {"negotiate", "query.before", "query.after"}
	purpose := input.agreement.purpose
	not purpose in input.zone.purposes
}

reasons contains {"code": "purpose-not-offered", "asked": input.agreement.purpose, "offered": input.offer.purposes} if {
	act == "negotiate"
	not input.agreement.purpose in input.offer.purposes
}

reasons contains {"code": "purpose-not-agreed", "asked": input.query.purpose, "agreed": input.agreement.purpose} if {
	querying
	input.query.purpose != input.agreement.purpose
}
