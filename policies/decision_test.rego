package dataspace_test

test_the_base_cases_are_allowed if {
	every case in acts {
		decision := decided(case, {})
		decision.allow == true
		decision.reasons == []
		decision.revision == "r"
	}
}

test_a_denial_names_every_reason if {
	decision := decided(before, {"participant": {"id": "pt-x", "roles": [], "status": "suspended"}})
	decision.allow == false
	decision.obligations == []
	{reason.code | some reason in decision.reasons} == {"not-the-consumer", "participant-suspended", "role-missing"}
}

test_an_unknown_act_is_denied if {
	every case in [{"action": "delete"}, {"action": 7}, {"action": null}, {"stage": "within"}, {"stage": 1}] {
		decision := decided(before, case)
		decision.allow == false
		{"code": "action-unknown"} in decision.reasons
	}
}

test_no_caller_names_a_stage_as_an_act if {
	reasons(after, {"action": "query.after"}) == [{"code": "action-unknown"}]
}

test_an_empty_input_is_denied if {
	decision := decided({}, {})
	decision.allow == false
	count(decision.reasons) > 0
}
