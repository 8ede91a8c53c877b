"""What the entries tell of computations: models for encrypted scores, and totals of sealed datasets.

A key service opens what the ledger says was computed under an agreement, once.
So no job has two entries, and each is of an agreement that was in force.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from dataspace.audit.dealings import Dealings
from dataspace.audit.members import Members
from dataspace.audit.told import Modelled, Registered, Sealed, Verdicts, facts_of
from dataspace.catalog.models import Form
from dataspace.participants.models import Role

_PROVIDER: Final = Role.PROVIDER.value


class Computations:
    """The models and the sealed computations so far, in the order of the entries."""

    def __init__(
        self, verdicts: Verdicts, members: Members, datasets: Mapping[str, Registered], dealings: Dealings
    ) -> None:
        self.models: dict[str, Modelled] = {}
        self.jobs: dict[str, Sealed] = {}
        self.takers: dict[str, Callable[[int, dict[str, Any]], None]] = {
            "model.registered": self._registered,
            "model.withdrawn": self._withdrawn,
            "sealed.computed": self._computed,
        }
        self._verdicts, self._members, self._datasets, self._dealings = verdicts, members, datasets, dealings

    def _registered(self, index: int, fields: dict[str, Any]) -> None:
        model, name = fields["model"], fields["dataset"]
        self._members.act(index, fields["by"], fields["time"], _PROVIDER, "who registered it")
        if fields["by"] != fields["provider"]:
            self._verdicts.wrong(index, f"{fields['by']} is not the provider of {model}")
        self._check_dataset(index, name, fields["version"], fields["provider"])
        if model in self.models:
            self._verdicts.wrong(index, f"{model} was registered before, by entry {self.models[model].entry}")
            return
        self.models[model] = Modelled(facts_of(fields, "model", "by"), index)

    def _withdrawn(self, index: int, fields: dict[str, Any]) -> None:
        found = self.models.get(fields["model"])
        self._members.act(index, fields["by"], fields["time"], _PROVIDER, "who withdraws it")
        if found is None:
            self._verdicts.unknown(index, f"{fields['model']} was not registered before", fields["model"])
            return
        if fields["by"] != found.fields["provider"]:
            self._verdicts.wrong(index, f"{fields['by']} is not the provider of {fields['model']}")
        if found.withdrawn is not None:
            self._verdicts.wrong(index, f"{fields['model']} was withdrawn before, by entry {found.withdrawn}")
        found.withdrawn = index if found.withdrawn is None else found.withdrawn

    def _computed(self, index: int, fields: dict[str, Any]) -> None:
        job = fields["job"]
        if job in self.jobs:
            self._verdicts.wrong(index, f"{job} was computed before, by entry {self.jobs[job].entry}")
            return
        self.jobs[job] = Sealed(facts_of(fields, "job"), index)
        self._dealings.used(index, fields, Form.SEALED)

    def _check_dataset(self, index: int, name: str, version: int, provider: str) -> None:
        dataset = self._datasets.get(name)
        if dataset is None or version not in dataset.versions:
            self._verdicts.unknown(index, f"version {version} of {name} was not registered before", name)
        elif dataset.provider != provider:
            self._verdicts.wrong(index, f"{provider} is not the provider of {name}")
        elif dataset.withdrawn is not None:
            self._verdicts.wrong(index, f"{name} was withdrawn by entry {dataset.withdrawn}")
