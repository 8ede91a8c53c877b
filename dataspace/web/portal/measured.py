"""What was measured of an upload or a version, in one shape for all pages that show it.

It comes from three places: the assessment of a proposal, the report of what a
registration would come to, and the report of a registered version.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from dataspace.catalog.models import Upload
from dataspace.catalog.sample import sample_of_upload, within
from dataspace.space import Space
from dataspace.web.portal.registration import CHECKED, columns_of
from dataspace.zones.grade import Grading, grade
from dataspace.zones.pack import Pack

# A measure, whether it must be at most (rather than at least) its threshold, and whether it is a share.
MEASURES: Final = (
    ("k", False, False),
    ("l", False, False),
    ("t_ppm", True, True),
    ("unique_ppm", True, True),
    ("prosecutor_ppm", True, True),
    ("journalist_ppm", True, True),
    ("marketer_ppm", True, True),
)


@dataclass(frozen=True)
class Measured:
    """Risk before and after, held against the zone's thresholds; quality and grading by column.

    `levels` are the columns', as graded together. `reasons` are the policy's
    against a registration that was checked, and `liftable` says whether a
    second person's word is all that is missing.
    """

    risk: Mapping[str, Any] = field(repr=False)
    thresholds: Mapping[str, int]
    level: int
    levels: Mapping[str, int]
    grading: Mapping[str, Any]
    utility: Mapping[str, Any]
    quality: Mapping[str, Mapping[str, Any]]
    suggestion: Mapping[str, Any] | None
    sample: Mapping[str, Any] | None = field(repr=False)
    rows: int
    subjects: int
    checked: bool = False
    reasons: Sequence[Mapping[str, Any]] = ()
    liftable: bool = False

    @property
    def before(self) -> Mapping[str, Any]:
        """The measures of the rows as they were uploaded."""
        return self.risk.get("before") or {}

    @property
    def after(self) -> Mapping[str, Any]:
        """The measures of the rows as they would leave."""
        return self.risk.get("after") or {}

    @property
    def passes(self) -> bool:
        """Whether the release meets the zone's thresholds."""
        return bool(self.risk.get("passes"))

    @property
    def failing(self) -> list[str]:
        """The measures that do not."""
        return [str(one["measure"]) for one in self.risk.get("failing", [])]

    @property
    def recoded(self) -> Sequence[Mapping[str, Any]]:
        """How quasi-identifiers leave where a class is too small."""
        release: Mapping[str, Any] = self.risk.get("release") or {}
        return list(release.get("recoded", []))

    @property
    def raising(self) -> list[Mapping[str, Any]]:
        """Why the dataset has its level: the reasons of the highest."""
        return [one for one in self.grading.get("reasons", []) if one["level"] == self.grading["level"]]

    def beyond(self, limit: int) -> list[str]:
        """Return the columns whose level is above that of rows: they leave in no row, masked or not."""
        return [name for name, level in self.levels.items() if level > limit]

    def why(self, column: str) -> list[Mapping[str, Any]]:
        """Return the reasons for a column's level, the highest first."""
        return [one for one in self.grading.get("reasons", []) if column in one["columns"]]


def measured(space: Space, upload: Upload, pack: Pack) -> Measured | None:
    """Return what was measured last of an upload; None when nothing could be."""
    assessment = upload.proposal.get("assessment")
    if checked := upload.proposal.get(CHECKED):
        report = checked["report"]
        found = of_report(
            report,
            sample_of_upload(space, upload, report, provider=True),
            reasons=checked["reasons"],
            liftable=checked["liftable"],
        )
        if found.suggestion or found.passes or not assessment:
            return found
        # What was suggested at first still tells a way.
        return replace(found, suggestion=assessment["suggestion"])
    return _of_assessment(assessment, upload, pack) if assessment else None


def of_report(
    report: Mapping[str, Any],
    sample: Mapping[str, Any] | None,
    *,
    reasons: Sequence[Mapping[str, Any]] = (),
    liftable: bool = False,
) -> Measured:
    """Return what a report says, and the rows that are sealed in it."""
    risk = report["deidentification"]
    return Measured(
        risk=risk,
        thresholds=risk["thresholds"],
        level=report["level"],
        levels={column["name"]: column["level"] for column in report["columns"]},
        grading=report["grading"],
        utility=report["utility"],
        quality={column["name"]: column["quality"] for column in report["columns"]},
        suggestion=report["suggestion"],
        sample=sample,
        rows=report["rows"],
        subjects=report["subjects"],
        checked=True,
        reasons=reasons,
        liftable=liftable,
    )


def _of_assessment(assessment: Mapping[str, Any], upload: Upload, pack: Pack) -> Measured:
    columns = columns_of(upload)
    grading: Grading = grade(
        columns,
        pack,
        subjects=assessment["subjects"],
        rows=assessment["rows"],
        precision=assessment["precision"],
    )
    levels = {column.name: level for column, level in zip(columns, grading.columns, strict=True)}
    sample = assessment.get("sample")
    return Measured(
        risk=assessment,
        thresholds=pack.risk.to_json(),
        level=grading.level,
        levels=levels,
        grading=grading.to_json(),
        utility=assessment["utility"],
        quality={one["column"]: one for one in assessment["quality"]},
        suggestion=assessment["suggestion"],
        sample=within(sample, levels, pack.max_rows_level) if sample else None,
        rows=assessment["rows"],
        subjects=assessment["subjects"],
    )
