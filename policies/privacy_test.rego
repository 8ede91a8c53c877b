package dataspace_test

semi_honest := {"participant": {"id": "pt-s"}, "agreement": {"consumer": "pt-s"}}

scoring := {"query": {"form": "score", "releasable": false}, "agreement": {"forms": ["score"]}}

selecting := {"query": {"form": "selector"}, "agreement": {"forms": ["selector"]}}

test_what_is_not_releasable_is_for_who_is_named_semi_honest if {
	reasons(before, scoring) == [{"code": "consumer-not-semi-honest", "form": "score"}]
	decided(before, object.union(scoring, semi_honest)).allow
	decided(before, object.union(scoring, {"query": {"releasable": true}})).allow
}

test_a_selector_of_rows_is_never_for_a_malicious_consumer if {
	reasons(before, selecting) == [{"code": "consumer-not-semi-honest", "form": "selector"}]
	decided(before, object.union(selecting, semi_honest)).allow
}

test_an_offer_without_exact_wants_noise_of_every_aggregate if {
	asked := {"offer": {"exact": false}, "query": {"form": "aggregate"}}
	reasons(before, asked) == [{"code": "noise-required"}]
	decided(before, object.union(asked, {"query": {"noised": true, "epsilon": 1000}})).allow
	decided(before, object.union(asked, {"query": {"noised": true}})).allow
	decided(before, {"offer": {"exact": false}}).allow
}

test_what_history_isolates_or_cannot_tell_is_refused if {
	reasons(after, {"result": {"isolates": true}}) == [{"code": "history-isolates", "limit": 12}]
	reasons(after, {"result": {"unchecked": true}}) == [{"code": "history-full"}]
}

test_a_dataset_has_a_budget_of_its_own if {
	spent := {"dataset": {"epsilon": {"spent": 7950000}}, "query": {"epsilon": 60000}}
	reasons(before, spent) == [{"code": "dataset-epsilon-exhausted", "needed": 60000, "left": 50000}]
	reasons(negotiate, {"agreement": {"epsilon": 7000001}}) == [{
		"code": "dataset-epsilon-promised",
		"needed": 7000001, "left": 7000000,
	}]
	decided(negotiate, {"agreement": {"epsilon": 7000000}}).allow
}
