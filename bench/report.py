"""How does a benchmark tell its figures? A table for people, one JSON line for machines."""

import json
import os
import platform
import statistics
import sys
from collections.abc import Sequence


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value below which `percent` of the values lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def summary_ms(seconds: Sequence[float]) -> dict[str, float]:
    """Return p50, p95, p99 and the largest, in milliseconds."""
    return {
        "p50_ms": round(percentile(seconds, 50) * 1000, 2),
        "p95_ms": round(percentile(seconds, 95) * 1000, 2),
        "p99_ms": round(percentile(seconds, 99) * 1000, 2),
        "max_ms": round(max(seconds) * 1000, 2),
        "count": len(seconds),
    }


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def say(text: str) -> None:
    """Tell progress, on standard error."""
    print(f"  {text}", file=sys.stderr, flush=True)


def finish(name: str, figures: dict[str, object]) -> None:
    """Print the figures; with --json as one JSON object on the last line."""
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    if "--json" in sys.argv[1:]:
        print(json.dumps({"bench": name, "machine": machine, **figures}))
        return
    print(f"{name} ({machine})")
    for key, value in figures.items():
        print(f"  {key:<36} {value}")
