"""The journeys of the providers and of the consumer, as they would write them with the SDK."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from dataspace.client import Answer, DataSpace
from dataspace.client.encrypted import Keys
from dataspace.errors import PolicyDenied
from dataspace.zones.pack import Pack
from dataspace.zones.samples import write_sample

_ROWS = 5000
_EPSILON = 1_000_000  # millionths, of each private question


@dataclass
class Journeys:
    """What is played, and what came of it."""

    url: str
    token: str = field(repr=False)
    packs: Mapping[str, Pack]
    key: str
    console: Console
    members: list[dict[str, Any]] = field(default_factory=list)
    datasets: list[dict[str, Any]] = field(default_factory=list)
    agreements: list[dict[str, Any]] = field(default_factory=list)
    receipts: list[int] = field(default_factory=list)

    def play(self, samples: Path) -> None:
        """Play every journey but the auditor's; samples are written to `samples`."""
        with DataSpace(self.url, self.token) as operator:
            self._admit(operator)
        for zone, pack in self.packs.items():
            with DataSpace(self.url, self.member(f"{zone}-provider")["token"]) as provider:
                self._provide(provider, pack, samples)
        with DataSpace(self.url, self.member("buyer")["token"]) as consumer:
            self._consume(consumer)

    def member(self, login: str) -> dict[str, Any]:
        """Return a member by its login."""
        return next(member for member in self.members if member["login"] == login)

    def done(self) -> dict[str, Any]:
        """Return what was done, for scripts."""
        return {
            "key": self.key,
            "datasets": self.datasets,
            "agreements": self.agreements,
            "receipts": self.receipts,
        }

    def _admit(self, operator: DataSpace) -> None:
        self.console.rule("the operator admits the participants")
        wanted = [(f"{zone}-provider", pack.title.zh, "provider") for zone, pack in self.packs.items()]
        for login, name, role in [
            *wanted,
            ("buyer", "数据买方", "consumer"),
            ("auditor", "审计方", "auditor"),
        ]:
            password = secrets.token_urlsafe(12)
            admitted = operator.admit(name, login, [role], password)
            self.members.append(
                {
                    "id": admitted["participant"]["id"],
                    "login": login,
                    "password": password,
                    "roles": role,
                    "token": admitted["token"],
                }
            )
            self.console.print(f"  {login} ({name}) is {admitted['participant']['id']}, {role}")

    def _provide(self, provider: DataSpace, pack: Pack, samples: Path) -> None:
        self.console.rule(f"provider: {pack.title.zh} {pack.title.en}")
        path = write_sample(pack, samples, _ROWS)
        upload = provider.upload(path, pack.name)
        proposal = upload["proposal"]
        self.console.print(
            f"  {path.name}: {upload['rows']} rows, {proposal['encoding']}, "
            f"separated by {proposal['delimiter']!r}; proposed:"
        )
        self.console.print(_columns(proposal))
        forms = ["rows", "aggregate"] if pack.sample.examples.rows else ["aggregate", "encrypted"]
        corrections = self._advised(proposal) if pack.sample.examples.rows else {}
        registered = provider.confirm(
            upload["id"],
            pack.sample.title.zh,
            price=pack.price,
            description=pack.sample.title.en,
            subjects=pack.sample.examples.subjects,
            corrections=corrections,
            offer={"forms": forms},
        )
        self._show_report(provider.report(registered["dataset"])["report"])
        self.datasets.append({"zone": pack.name, **registered})
        self.receipts.append(registered["entry"])
        self.console.print(
            f"  registered as {registered['dataset']}, version {registered['version']}, "
            f"entry {registered['entry']} of the ledger"
        )

    def _advised(self, proposal: Mapping[str, Any]) -> dict[str, Any]:
        """Return the corrections that the zone suggests, so that fewer rows leave coarser or not at all."""
        advice = (proposal.get("assessment") or {}).get("suggestion") or {"columns": []}
        proposed = {column["name"]: column for column in proposal["columns"]}
        corrections = {
            column["name"]: changed
            for column in advice["columns"]
            if (changed := _leaving(column)) != _leaving(proposed[column["name"]])
        }
        for name, changed in corrections.items():
            told = " ".join(map(str, changed["parameters"].values()))
            self.console.print(f"  the zone advises: {name} by {changed['method']} {told}")
        return corrections

    def _show_report(self, report: Mapping[str, Any]) -> None:
        risk = report["deidentification"]
        before, after = risk["before"], risk["after"]
        self.console.print(
            f"  level {report['level']}: {report['grading']['reasons'][0]['what']['en'].lower()}; "
            f"{report['rows']} rows about {report['subjects']} subjects"
        )
        self.console.print(
            f"  the file singles out {before['unique_subjects']} of them, the rows that may leave "
            f"{after['unique_subjects']}: each looks like {after['k'] - 1} others at least "
            f"({risk['recoded_ppm'] / 10_000:.0f} % of the rows coarser, "
            f"{risk['suppressed_ppm'] / 10_000:.0f} % withheld; {'passes' if risk['passes'] else 'fails'})"
        )

    def _consume(self, consumer: DataSpace) -> None:
        self.console.rule("the buyer finds, negotiates and queries")
        found = consumer.catalog()["dataset"]
        self.console.print(f"  the catalogue has {len(found)} datasets")
        keys = Keys.create()
        for dataset in self.datasets:
            examples = self.packs[dataset["zone"]].sample.examples
            agreement = consumer.negotiate(dataset["offer"], examples.purpose)
            self.agreements.append({"zone": dataset["zone"], "id": agreement["id"]})
            self.console.print(
                f"  {dataset['zone']}: agreement {agreement['id']} for {examples.purpose}, "
                f"{agreement['units']} units"
            )
            if examples.rows:
                self.console.print(f"  rows: {examples.rows}")
                self._show(consumer.query(agreement["id"], examples.rows, "rows"))
            if examples.aggregate:
                # Exact, beside rows it would tell of the few that leave coarser or not at all.
                most = self.packs[dataset["zone"]].sample.most_rows
                noise: dict[str, Any] = {"epsilon": _EPSILON, "max_rows": most} if examples.rows else {}
                self.console.print(f"  aggregate{', noised' if noise else ''}: {examples.aggregate}")
                self._show(consumer.query(agreement["id"], examples.aggregate, **noise))
            if examples.cube:
                self._encrypted(consumer, agreement["id"], examples.cube, keys)
                for one in examples.cube.sums:
                    self._noised(consumer, agreement["id"], examples.cube, one)
                    self._mean(consumer, agreement["id"], examples.cube, one, keys)
            if not examples.rows:
                self._refused(consumer, agreement["id"])

    def _encrypted(self, consumer: DataSpace, agreement: str, cube: Any, keys: Keys) -> None:
        sums = [
            {"kind": "sum", "column": one.column, "low": one.low, "high": one.high, "precision": 0}
            for one in cube.sums
        ]
        layout = consumer.cube(
            agreement,
            cube.dimensions,
            [{"kind": "count"}, *sums],
            max_rows=cube.max_rows,
            epsilon=cube.epsilon,
        )
        weights = [1 if place % 2 == 0 else 0 for place in range(len(layout.cells))]
        totals, answer = consumer.encrypted_totals(agreement, layout, weights, keys)
        self.receipts.append(answer.entry)
        chosen = [
            " ".join(map(str, cell)) for cell, weight in zip(layout.cells, weights, strict=True) if weight
        ]
        self.console.print(
            f"  a cube: a person counts with at most {cube.max_rows} rows, and every cell has noise "
            f"(epsilon {cube.epsilon / 1e6:g})"
        )
        self.console.print(
            f"  encrypted: {len(layout.cells)} cells of {', '.join(layout.dimensions)}; "
            f"the service never learns that the buyer chose {' / '.join(chosen[:4])}"
        )
        for name, total in totals.items():
            self.console.print(
                f"    {name} = {total}, decrypted with the buyer's own key "
                f"(entry {answer.entry}, {answer.price / 100:.2f} yuan)"
            )

    def _noised(self, consumer: DataSpace, agreement: str, cube: Any, one: Any) -> None:
        [by] = cube.dimensions
        sql = f'SELECT "{by}", COUNT(*), AVG("{one.column}") FROM data GROUP BY "{by}"'
        asked: dict[str, Any] = {
            "epsilon": _EPSILON,
            "max_rows": cube.max_rows,
            "bounds": {one.column: (one.low, one.high)},
        }
        self.console.print(f"  noised, epsilon {_EPSILON / 1e6:g}: {sql}")
        estimate = consumer.estimate(agreement, sql, **asked)
        self.console.print(f"    what it would leave: {estimate['words']['en']}")
        self._show(consumer.query(agreement, sql, **asked))

    def _mean(self, consumer: DataSpace, agreement: str, cube: Any, one: Any, keys: Keys) -> None:
        found = consumer.encrypted_mean(
            agreement,
            one.column,
            by=cube.dimensions,
            bounds=(one.low, one.high),
            max_rows=cube.max_rows,
            epsilon=_EPSILON,
            keys=keys,
        )
        self.receipts += [answer.entry for answer in found.answers]
        self.console.print(
            f"  encrypted: the {found.name}, decrypted with the buyer's own key, {found.units} units"
        )
        table = Table(*found.by, "mean", "expected error", box=None, padding=(0, 2))
        for group in found:
            table.add_row(*map(str, group.key), f"{group.value:.2f}", f"{group.error:.2f}")
        self.console.print(table)

    def _refused(self, consumer: DataSpace, agreement: str) -> None:
        try:
            consumer.query(agreement, "SELECT * FROM data", "rows")
        except PolicyDenied as error:
            codes = ", ".join(sorted({reason["code"] for reason in error.facts["reasons"]}))
            self.console.print(
                f"  rows are outside of this agreement: refused, {codes} (entry {error.facts['entry']})"
            )
            self.receipts.append(int(error.facts["entry"]))
        else:
            raise AssertionError("a query outside the agreement was answered")

    def _show(self, answer: Answer) -> None:
        answer.receipt()
        self.receipts.append(answer.entry)
        table = Table(*answer.columns, box=None, padding=(0, 2))
        for row in answer.rows[:6]:
            table.add_row(*(f"{value:.2f}" if isinstance(value, float) else str(value) for value in row))
        self.console.print(table)
        hidden = ", small groups left out" if answer.suppressed else ""
        self.console.print(
            f"    entry {answer.entry}, {answer.units} units, {answer.price / 100:.2f} yuan{hidden}"
        )


def _leaving(column: Mapping[str, Any]) -> dict[str, Any]:
    return {"method": column["method"], "parameters": column["parameters"]}


def _columns(found: Mapping[str, Any]) -> Table:
    """Return the proposal beside the desensitized first row, in a table that fits 80 columns."""
    table = Table("column", "category", "level", "method", "a buyer sees", box=None, padding=(0, 1))
    first = found["preview"]["desensitized"][0]
    for column, value in zip(found["columns"], first, strict=True):
        shown = "" if value is None else str(value)[:16]
        table.add_row(column["name"], column["category"], str(column["level"]), column["method"], shown)
    return table
