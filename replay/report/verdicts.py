"""How each kind of verdict is shown in each medium: one table, to which a new kind adds one row.

As JSON a verdict is its own type.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from replay.choice.types import PilotVerdict
from replay.judge.cold.types import ColdVerdict
from replay.judge.load.recovery import RecoveryVerdict
from replay.judge.load.types import CeilingVerdict
from replay.judge.types import CompareVerdict, GateVerdict
from replay.report.ci.github import compare_annotations, gate_annotations
from replay.report.ci.junit import compare_junit, gate_junit
from replay.report.ci.markdown import compare_markdown, gate_markdown
from replay.report.ci.outlines import outline_annotations, outline_junit, outline_markdown
from replay.report.ci.pilot import pilot_markdown
from replay.report.page import verdict_charts
from replay.report.page.charts import Chart
from replay.report.page.html import figure
from replay.report.page.page import compare_parts, gate_parts, outline_parts, run_page, verdict_page
from replay.report.page.pilot import PilotMaterial, pilot_page
from replay.report.terminal.load import print_ceiling, print_coldstart
from replay.report.terminal.pilot import print_pilot
from replay.report.terminal.recovery import print_recovery
from replay.report.terminal.verdicts import print_compare, print_gate
from replay.report.words.outlines import (
    Outline,
    ceiling_outline,
    coldstart_outline,
    pilot_outline,
    recovery_outline,
)
from replay.results.evidence import Evidence
from replay.results.manifest_types import Manifest
from replay.words.names import clean

V = TypeVar("V")


class Folder(Protocol):
    """What was recorded beside a verdict, read when a page asks for it."""

    def runs(self, names: Sequence[str]) -> tuple[Sequence[Evidence], Sequence[Manifest]]:
        """The runs that were named to be shown, or else those of these names in the folder of the verdict."""

    def pilot(self, verdict: PilotVerdict) -> PilotMaterial:
        """What a pilot left."""


class Renderers(NamedTuple, Generic[V]):
    """terminal: printed, with what else its folder holds. page: HTML. annotations: for GitHub Actions."""

    terminal: Callable[[V, Path], None]
    page: Callable[[V, Folder], str]
    markdown: Callable[[V], str]
    junit: Callable[[V, bool], str]
    annotations: Callable[[V], list[str]]


def _page(
    parts_of: Callable[[Any], list[str]],
    runs_of: Callable[[Any], Sequence[str]] = lambda _: (),
    chart_of: Callable[[Any], Chart | None] = lambda _: None,
) -> Callable[[Any, Folder], str]:
    """A page of the runs that a verdict is of, or, where there are none, of the verdict alone, with its chart."""

    def draw(verdict: Any, folder: Folder) -> str:
        runs, manifests = folder.runs(runs_of(verdict))
        parts = parts_of(verdict)
        if runs:
            return run_page(runs, manifests, parts)
        title = f"{verdict.command}: {clean(getattr(verdict, 'target', None) or '')}"
        said, *figures = parts
        return verdict_page(title, [said, figure(chart_of(verdict)), *figures])

    return draw


def _recovery_page(verdict: RecoveryVerdict, folder: Folder) -> str:
    """The run is that which is shown, or, where several are, the one of its name: folders are renamed."""
    runs, manifests = folder.runs(())
    parts = outline_parts(recovery_outline(verdict))
    if not runs:
        return verdict_page(f"{verdict.command}: {clean(verdict.target or '')}", parts)
    name = runs[0].name if len(runs) == 1 else verdict.run or ""
    return run_page(runs, manifests, parts, {name: verdict.faults})


def _compared_runs(verdict: CompareVerdict) -> Sequence[str]:
    """Not the run in which the first target was asked again, if there is one."""
    return sorted({run for one in (verdict, *verdict.further) for side in one.targets for run in side.runs})


def _compare_junit(verdict: CompareVerdict, strict: bool) -> str:
    return compare_junit(verdict)


def _outlined(outline_of: Callable[[Any], Outline]) -> dict[str, Any]:
    return {
        "markdown": lambda verdict: outline_markdown(outline_of(verdict)),
        "junit": lambda verdict, strict=False: outline_junit(outline_of(verdict), strict),
        "annotations": lambda verdict: outline_annotations(outline_of(verdict)),
    }


RENDERERS: dict[type, Renderers[Any]] = {
    GateVerdict: Renderers(
        terminal=lambda verdict, _: print_gate(verdict, None),
        page=_page(gate_parts),
        markdown=gate_markdown,
        junit=gate_junit,
        annotations=gate_annotations,
    ),
    CompareVerdict: Renderers(
        terminal=lambda verdict, _: print_compare(verdict, None),
        page=_page(compare_parts, _compared_runs),
        markdown=compare_markdown,
        junit=_compare_junit,
        annotations=compare_annotations,
    ),
    CeilingVerdict: Renderers(
        terminal=lambda verdict, _: print_ceiling(verdict),
        page=_page(lambda verdict: outline_parts(ceiling_outline(verdict)), chart_of=verdict_charts.levels),
        **_outlined(ceiling_outline),
    ),
    ColdVerdict: Renderers(
        terminal=lambda verdict, _: print_coldstart(verdict),
        page=_page(
            lambda verdict: outline_parts(coldstart_outline(verdict)), chart_of=verdict_charts.idle_curve
        ),
        **_outlined(coldstart_outline),
    ),
    RecoveryVerdict: Renderers(
        terminal=lambda verdict, _: print_recovery(verdict),
        page=_recovery_page,
        **_outlined(recovery_outline),
    ),
    PilotVerdict: Renderers(
        terminal=lambda verdict, folder: print_pilot(verdict, folder, has_assumptions=True),
        page=lambda verdict, folder: pilot_page(verdict, folder.pilot(verdict)),
        **(_outlined(pilot_outline) | {"markdown": pilot_markdown}),
    ),
}


def renderers_of(verdict: object) -> Renderers[Any]:
    return RENDERERS[type(verdict)]
