"""``accuracy`` and ``speed``: our readers, and the rival, through one race; and what is made of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from ziyan.bench import display, page, rival, tables
from ziyan.bench.contestant import HERE, Contestant
from ziyan.bench.dataset import Label
from ziyan.bench.machine import describe, some_cores
from ziyan.bench.race import race
from ziyan.bench.results import Results
from ziyan.bench.targets import Verdict, judge
from ziyan.ocr.types import ModelName
from ziyan.settings import Settings

READER = HERE / "reader_ziyan.py"
Focus = Literal["accuracy", "speed"]


@dataclass(frozen=True, slots=True)
class Plan:
    """Who takes part.

    Attributes:
        settings: Where our weights are, runtime and precision.
        models: Ours; the first is the one that ratios are given for.
        threads: Of every reader, on as many cores.
        rival_setups: Of the rival; empty to leave it out.
        rival_runtime: None to find out the faster one.
        rival_dir: Where the rival's environment is kept.
    """

    settings: Settings
    models: Sequence[ModelName]
    threads: int
    rival_setups: Sequence[rival.Setup]
    rival_runtime: rival.Runtime | None
    rival_dir: Path

    @property
    def main(self) -> str:
        """Name of the contestant that ratios are given for."""
        return our_name(self.models[0])


@dataclass(frozen=True, slots=True)
class Contest:
    """A race that has been run.

    Attributes:
        main: The contestant that ratios are given for.
        results: What it came to.
        abouts: Contestant → what it runs on.
        calibrations: How the rival's runtimes were chosen.
        machine: What it was run on.
    """

    main: str
    results: Results
    abouts: dict[str, dict[str, Any]]
    calibrations: Sequence[rival.Calibration]
    machine: dict[str, Any]


def our_name(model: ModelName) -> str:
    """A contestant's name, as the targets know it."""
    return f"ziyan {model}"


def rival_name(setup: rival.Setup) -> str:
    """A contestant's name, as the targets know it."""
    return f"rapidocr {setup}"


def our_contestant(plan: Plan, model: ModelName) -> Contestant:
    """Our reader with one of its models, ready to be started."""
    config = {
        "models_dir": str(plan.settings.models_dir),
        "model": model,
        "runtime": plan.settings.runtime,
        "precision": plan.settings.precision,
        "threads": plan.threads,
        "cores": some_cores(plan.threads),
    }
    return Contestant(our_name(model), READER, config)


def rival_contestants(plan: Plan, labels: Sequence[Label]) -> tuple[list[Contestant], list[rival.Calibration]]:
    """The rival in each set-up asked for, ready to be started, with the runtime that is the faster here.

    Raises:
        BenchError: It could not be installed or started.
    """
    if not plan.rival_setups:
        return [], []
    python, cores = rival.install(plan.rival_dir, display.say), some_cores(plan.threads)
    contestants, calibrations = [], []
    for setup in plan.rival_setups:
        if plan.rival_runtime:
            choice = rival.Calibration(setup, plan.rival_runtime)
        else:
            entrants = [
                rival.contestant(python, setup, runtime, plan.threads, cores, runtime) for runtime in rival.RUNTIMES
            ]
            choice = rival.calibrate(setup, entrants, labels)
        display.say(str(choice))
        calibrations.append(choice)
        contestants.append(rival.contestant(python, setup, choice.runtime, plan.threads, cores, rival_name(setup)))
    return contestants, calibrations


def hold(plan: Plan, labels: Sequence[Label]) -> Contest:
    """Run the race.

    Raises:
        BenchError: A reader does not come up.
    """
    machine = describe()
    rivals, calibrations = rival_contestants(plan, labels)
    contestants = [*(our_contestant(plan, model) for model in plan.models), *rivals]
    with ExitStack() as stack:
        for contestant in contestants:
            stack.enter_context(contestant)
        with display.progress("reading", len(labels)) as advance:
            outcomes = race(contestants, labels, lambda label: advance(label.key))
        abouts = {contestant.name: contestant.about for contestant in contestants}
    return Contest(plan.main, Results.of(outcomes), abouts, calibrations, machine)


def report(contest: Contest, focus: Focus, verdicts: Sequence[Verdict], out: Path) -> None:
    """Print the tables of ``focus``, write its two files."""
    console, results, main = display.standard_output(), contest.results, contest.main
    text = tables.TEXT_HEAD, list(tables.text_rows(results, main))
    times = tables.TIME_HEAD, list(tables.time_rows(results, main))
    console.print(machine_line(contest.machine))
    console.print(tables.about_table(list(contest.abouts.values())))
    console.print()
    console.print(tables.race_table(*(text if focus == "accuracy" else times)))
    console.print()
    ratios = list(tables.ratio_lines(results, main))
    for line in ratios:
        console.print(line)
    if verdicts:
        console.print()
        console.print(tables.verdict_table(verdicts))
    figures = {
        "command": focus,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": contest.machine,
        "readers": contest.abouts,
        "calibration": [asdict(choice) for choice in contest.calibrations],
        "main": main,
        **results.as_dict(main),
        "targets": [asdict(verdict) for verdict in verdicts],
    }
    sections = [
        page.paragraphs([machine_line(contest.machine), *ratios]),
        page.verdicts(verdicts),
        page.table("Text", *text),
        page.table("Time", *times),
        page.worst(results, main),
        page.facts("Machine, readers, versions, weights", {key: figures[key] for key in ("machine", "readers")}),
    ]
    display.save(out, focus, figures, page.page(f"Ziyan: {focus}", sections))


def machine_line(machine: dict[str, Any]) -> str:
    """The machine in one line."""
    flags = " ".join(machine["cpu_flags"])
    loads = " ".join(map(str, machine["load_average"]))
    return f"{machine['cpu']} ({flags}), {machine['cores']} cores, load {loads}, Ziyan {machine['ziyan']}"


def run(plan: Plan, labels: Sequence[Label], focus: Focus, *, targets: bool, out: Path) -> bool:
    """The whole command.

    Args:
        plan: Who takes part; with ``targets``, all that those name.
        labels: What is read.
        focus: Which tables are printed.
        targets: Judge Ziyan's targets.
        out: Folder for the two files.

    Returns:
        False if a target was missed.

    Raises:
        BenchError: It cannot be measured.
    """
    contest = hold(plan, labels)
    verdicts = judge(contest.results) if targets else []
    report(contest, focus, verdicts, out)
    return all(verdict.met for verdict in verdicts)
