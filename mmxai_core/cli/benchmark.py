"""`benchmark`: what explanations cost, in forward passes of the same network, and how fast pictures are prepared."""

from __future__ import annotations

import argparse
from pathlib import Path

import mmxai_core
from mmxai_core.cli.arguments import Commands, UsageError, new_command
from mmxai_core.cli.output import progress, write_json, write_table
from mmxai_core.types import Json

#: The bundle that ships with the code.
_SHIPPED = Path(mmxai_core.__file__).resolve().parents[1] / "pretrained" / "breast-us"


def add_parser(commands: Commands) -> None:
    """Declares the command."""
    parser = new_command(commands, "benchmark", "Measure what explanations cost on this machine.")
    parser.add_argument("--bundle", type=Path, default=_SHIPPED, metavar="DIR", help="default: the shipped bundle")
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda or cuda:N")
    parser.add_argument(
        "--repeats",
        type=int,
        default=5,
        metavar="N",
        help="runs behind each median, and pictures of each modality (default 5)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    """Measures and prints."""
    if args.repeats < 1:
        raise UsageError(f"--repeats must be at least 1; got {args.repeats}.")
    from mmxai_core.explain.benchmark import run_benchmark

    with progress("benchmark") as step:
        found = run_benchmark(args.bundle, repeats=args.repeats, device=args.device, progress=step)
        from mmxai_core.preprocessing.throughput import measure_throughput

        found["preprocessing"] = measure_throughput(pictures=args.repeats, progress=step)
        from mmxai_core.training.throughput import measure_training, rows

        found["training"] = measure_training(
            args.bundle, repeats=min(args.repeats, 3), device=args.device, progress=step
        )
    from mmxai_core.evaluation.result_files import machine_words, versions

    found |= {"machine": machine_words(), "versions": versions()}
    if args.json:
        write_json(found)
        return
    write_table(
        [
            ("bundle", f"{found['bundle']} on {found['device']}, {found['threads']} threads"),
            ("one forward pass", f"{found['forward_seconds']:.3f} s"),
            *((name, f"{r['value']:.2f} {r['unit']} ({_against(r)})") for name, r in found["ratios"].items()),
            *((f"largest difference to {name}", f"{value:.1e}") for name, value in found["agreement"].items()),
            *(
                (
                    f"preprocessing, {modality}",
                    f"{r['uncached_per_second']:.1f} pictures a second, from the cache "
                    f"{r['cached_per_second']:.1f} ({r['times_faster_cached']:.1f} times faster)",
                )
                for modality, r in found["preprocessing"].items()
            ),
            *rows(found["training"]),
        ]
    )


def _against(ratio: Json) -> str:
    """How a ratio stands against its bar."""
    if ratio["bar"] is None:
        return "no bar"
    return f"bar {ratio['bar']:g}, {'met' if ratio['met'] else 'missed'}"
