package dataspace_test

test_every_act_needs_its_role if {
	every pair in [
		[admit, "operator"], [approve, "operator"], [register, "provider"], [withdraw, "provider"],
		[negotiate, "consumer"], [before, "consumer"], [after, "consumer"],
	] {
		every roles in [[], ["auditor"], [upper(pair[1])]] {
			reasons(pair[0], {"participant": {"roles": roles}}) == [{"code": "role-missing", "needed": pair[1]}]
		}
	}
}

test_a_suspended_participant_does_nothing if {
	every case in acts {
		reasons(case, {"participant": {"status": "suspended"}}) == [{"code": "participant-suspended", "status": "suspended"}]
	}
}

test_a_dataset_is_its_providers if {
	every case in [register, withdraw] {
		reasons(case, {"dataset": {"provider": "pt-x"}}) == [{"code": "not-the-provider"}]
	}
}

test_an_agreement_is_its_consumers if {
	every case in [before, after] {
		reasons(case, {"agreement": {"consumer": "pt-x"}}) == [{"code": "not-the-consumer"}]
	}
}
