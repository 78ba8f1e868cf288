"""The command line of ``scripts/bench``."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ziyan.bench import contests, dataset, display, endurance, kills, metering, overhead, rival, trials, views
from ziyan.bench.dataset import Label
from ziyan.bench.errors import BenchError
from ziyan.bench.fuzzing import run as fuzzing
from ziyan.bench.signing import SIGN_IN
from ziyan.engine.local import LocalEngine
from ziyan.errors import ZiyanError
from ziyan.settings import Settings

#: Exit statuses: all is well; measured, and not good enough; could not be measured.
GOOD, MISSED, UNMEASURED = 0, 1, 2
MODELS = ("tiny", "small", "medium")
RIVAL_DIR = Path("~/.cache/ziyan-bench")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; the exit status is one of ``GOOD``, ``MISSED``, ``UNMEASURED``."""
    args = parser().parse_args(arguments)
    try:
        return GOOD if args.run(args) else MISSED
    except (BenchError, ZiyanError) as error:
        display.say(f"bench: {error}")
        return UNMEASURED
    except KeyboardInterrupt:
        return 130


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    top = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measure Ziyan: how right, how fast, how much memory, how sturdy. docs/benchmarks.md explains "
        "every figure. Exit status: 0 good, 1 a target missed or a trial failed, 2 could not be measured.",
    )
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    for focus, about in (
        ("accuracy", "Read labelled pictures and compare the text with the labels."),
        ("speed", "Read labelled pictures and compare the times."),
    ):
        command = _command(commands, focus, about)
        _add_data(command)
        _add_race(command)
        command.add_argument(
            "--targets",
            action="store_true",
            help="judge Ziyan's targets: small and tiny race both set-ups of the rival; exit status 1 if one is missed",
        )
        command.set_defaults(run=_contest, focus=focus)
    command = _command(commands, "memory", "Resident memory of one reader over thousands of different pictures.")
    _add_data(command)
    _add_race(command)
    command.add_argument(
        "--count",
        type=_positive,
        default=2000,
        help="pictures, each another crop, scale and turn (default: %(default)s)",
    )
    command.add_argument("--seed", type=int, default=1, help="of the random crops (default: %(default)s)")
    command.set_defaults(run=_memory)
    command = _command(commands, "consistency", "The same text for every picture, however many callers there are?")
    _add_data(command)
    _add_engine(command)
    command.add_argument("--callers", type=_positive, default=32, help="held against one caller (default: %(default)s)")
    command.set_defaults(run=_consistency)
    command = _command(commands, "hostile", "Throw damaged and malicious pictures at the engine.")
    _add_engine(command)
    command.add_argument("--count", type=_positive, default=10_000, help="pictures (default: %(default)s)")
    command.add_argument("--seed", type=int, default=1, help="of the pictures (default: %(default)s)")
    command.add_argument("--callers", type=_positive, default=8, help="at the same time (default: %(default)s)")
    command.set_defaults(run=_hostile)
    command = _command(commands, "crash", "Kill a reading process in the middle of a picture.")
    _add_data(command)
    _add_engine(command)
    command.set_defaults(run=_crash)
    _add_overhead(commands)
    _add_metering(commands)
    _add_kills(commands)
    _add_views(commands)
    _add_fuzz(commands)
    return top


def _command(commands: Any, name: str, about: str) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = commands.add_parser(
        name, help=about, description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    return made


def _add_overhead(commands: Any) -> None:
    command = _command(commands, "overhead", "CPU time of a call but for reading, against a bare handler.")
    command.add_argument(
        "--signin", choices=tuple(SIGN_IN), default="appcode", help="how the caller signs in (default: %(default)s)"
    )
    command.add_argument(
        "--form", type=_positive, metavar="BYTES", help="size of the form (default: of the largest picture, 1.49 MB)"
    )
    command.add_argument("--rounds", type=_positive, default=20, help="of each of the two (default: %(default)s)")
    command.add_argument("--calls", type=_positive, default=25, help="in each round (default: %(default)s)")
    _add_out(command, "where the JSON file goes")
    command.set_defaults(run=_overhead)


def _add_metering(commands: Any) -> None:
    command = _command(commands, "metering", "Time of holding and billing a call, and how many a second there can be.")
    command.add_argument(
        "--rate", type=_positive, default=100, help="calls that arrive in a second (default: %(default)s)"
    )
    command.add_argument(
        "--seconds", type=_positive, default=20, help="for which they do, and of each peak (default: %(default)s)"
    )
    _add_out(command, "where the JSON file goes")
    command.set_defaults(run=_metering)


def _add_kills(commands: Any) -> None:
    command = _command(commands, "kills", "Kill gateways at random moments: is every call sold exactly once?")
    command.add_argument("--count", type=_positive, default=50, help="how many are killed (default: %(default)s)")
    command.add_argument("--calls", type=_positive, help="that are left in the beginning (default: 200 for each kill)")
    command.add_argument("--database-url", metavar="URL", help="of the database, in place of ZIYAN_DATABASE_URL")
    _add_out(command, "where the JSON file goes")
    command.set_defaults(run=_kills)


def _add_views(commands: Any) -> None:
    command = _command(commands, "views", "Time of operators' and buyers' pages on a database with many calls.")
    command.add_argument(
        "--events", type=_positive, default=10_000_000, help="calls of the database (default: %(default)s)"
    )
    command.add_argument("--rounds", type=_positive, default=5, help="of each page (default: %(default)s)")
    command.add_argument("--data", type=Path, metavar="DIR", help="folder that `ziyan demo` has filled before")
    _add_out(command, "where the JSON file goes")
    command.set_defaults(run=_views)


def _add_fuzz(commands: Any) -> None:
    command = _command(commands, "fuzz", "Send a running server broken, lying and half-sent requests, and good ones.")
    command.add_argument("--minutes", type=_minutes, default=2.0, help="how long (default: %(default)g)")
    command.add_argument("--seed", type=int, default=1, help="of the requests (default: %(default)s)")
    command.add_argument(
        "--port", type=int, default=0, help="that the server listens on, which the command starts (default: a free one)"
    )
    _add_out(command, "where the JSON file goes")
    command.set_defaults(run=_fuzz)


def _add_out(command: argparse.ArgumentParser, what: str) -> None:
    command.add_argument(
        "--out", type=Path, default=Path("bench-out"), metavar="DIR", help=f"{what} (default: %(default)s)"
    )


def _add_data(command: argparse.ArgumentParser) -> None:
    command.add_argument("--data", type=Path, required=True, metavar="DIR", help="folders of labels.jsonl and pictures")
    command.add_argument("--categories", type=_names, default=(), metavar="A,B", help="only these folders")
    command.add_argument("--limit", type=_positive, metavar="N", help="at most so many pictures of each category")


def _add_engine(command: argparse.ArgumentParser) -> None:
    command.add_argument("--model", choices=MODELS, help="weights (default: as ZIYAN_MODEL says, else small)")
    _add_settings(command)
    command.add_argument("--threads", type=_positive, metavar="N", help="of each reading process (default: as serving)")


def _add_race(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--model",
        type=_models,
        default=("small",),
        metavar="A,B",
        help="weights (tiny, small, medium); ratios are given for the first (default: small)",
    )
    _add_settings(command)
    command.add_argument(
        "--threads",
        type=_positive,
        default=2,
        metavar="N",
        help="of every reader, pinned to as many cores (default: %(default)s)",
    )
    command.add_argument("--rival", choices=("rapidocr",), help="read the same pictures with it in the same run")
    command.add_argument(
        "--rival-setup",
        choices=("tuned", "default", "both"),
        default="both",
        help="how the rival is set up (default: %(default)s)",
    )
    command.add_argument(
        "--rival-runtime", choices=rival.RUNTIMES, help="default: the faster here, found by a short calibration"
    )
    command.add_argument(
        "--rival-dir",
        type=Path,
        default=RIVAL_DIR,
        metavar="DIR",
        help="keeps the rival's own environment (default: %(default)s)",
    )
    _add_out(command, "where the JSON file and the HTML page go")


def _add_settings(command: argparse.ArgumentParser) -> None:
    command.add_argument("--runtime", choices=("auto", "openvino", "onnxruntime"), help="default: ZIYAN_RUNTIME")
    command.add_argument("--precision", choices=("auto", "f32", "bf16"), help="default: ZIYAN_PRECISION")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _minutes(text: str) -> float:
    number = float(text)
    if not 0 < number <= 24 * 60:
        raise argparse.ArgumentTypeError("must be more than 0, and a day at most")
    return number


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _models(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(_names(text)))
    if not names or not set(names) <= set(MODELS):
        raise argparse.ArgumentTypeError(f"takes {', '.join(MODELS)}")
    return names


def _settings(args: argparse.Namespace, *more: str) -> Settings:
    names = ("runtime", "precision", *more)
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    return Settings.load(**given)


def _labels(args: argparse.Namespace) -> list[Label]:
    return dataset.load(args.data, args.categories, args.limit)


def _plan(args: argparse.Namespace, models: Sequence[Any], setups: Sequence[rival.Setup]) -> contests.Plan:
    return contests.Plan(_settings(args), models, args.threads, setups, args.rival_runtime, args.rival_dir)


def _setups(args: argparse.Namespace) -> tuple[rival.Setup, ...]:
    if not args.rival:
        return ()
    return ("tuned", "default") if args.rival_setup == "both" else (args.rival_setup,)


def _contest(args: argparse.Namespace) -> bool:
    labels = _labels(args)
    if not args.targets:
        plan = _plan(args, args.model, _setups(args))
    else:
        plan = _plan(args, ("small", "tiny"), ("tuned", "default"))
        if args.limit or args.categories:
            display.say("only a part of the data is read: the targets are judged by that part alone")
    return contests.run(plan, labels, args.focus, targets=args.targets, out=args.out)


def _memory(args: argparse.Namespace) -> bool:
    labels = _labels(args)
    return endurance.run(_plan(args, args.model, _setups(args)), labels, count=args.count, seed=args.seed, out=args.out)


def _consistency(args: argparse.Namespace) -> bool:
    labels, engine = _labels(args), LocalEngine.from_settings(_settings(args, "model", "threads"))
    return asyncio.run(trials.run_consistency(engine, labels, (1, args.callers)))


def _hostile(args: argparse.Namespace) -> bool:
    engine = LocalEngine.from_settings(_settings(args, "model", "threads"))
    return asyncio.run(trials.run_hostile(engine, count=args.count, seed=args.seed, callers=args.callers))


def _crash(args: argparse.Namespace) -> bool:
    # a single reading process, and the largest picture, so that the kill is sure to hit a reading
    label = max(_labels(args), key=lambda label: label.path.stat().st_size)
    settings = _settings(args, "model", "threads").model_copy(update={"workers": 1})
    return asyncio.run(trials.run_crash(LocalEngine.from_settings(settings), label))


def _metering(args: argparse.Namespace) -> bool:
    return metering.run(rate=args.rate, seconds=args.seconds, out=args.out)


def _views(args: argparse.Namespace) -> bool:
    return views.run(events=args.events, rounds=args.rounds, data=args.data, out=args.out)


def _kills(args: argparse.Namespace) -> bool:
    return kills.run(count=args.count, calls=args.calls, database_url=args.database_url, out=args.out)


def _overhead(args: argparse.Namespace) -> bool:
    return overhead.run(signin=args.signin, rounds=args.rounds, calls=args.calls, out=args.out, form_bytes=args.form)


def _fuzz(args: argparse.Namespace) -> bool:
    return fuzzing.run(minutes=args.minutes, seed=args.seed, port=args.port, out=args.out)


if __name__ == "__main__":
    sys.exit(main())
