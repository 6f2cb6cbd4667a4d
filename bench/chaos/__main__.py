"""Hurt a hub in every way we know, and compare what was promised with what is stored.

python -m bench.chaos                    every scenario, with three seeds each
python -m bench.chaos --short            a selection, with one seed
python -m bench.chaos --scenario NAME    only this; may be repeated
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path

from bench.chaos import checker
from bench.chaos.checker import History, Verdict
from bench.chaos.faults import (
    SCENARIOS,
    SHORT,
    Run,
    Scenario,
    clock_library,
    small_volume,
)
from bench.chaos.rig import DEVICES, Rig, rig
from bench.report import say
from hub.embedded.process import Child

RATE = 300  # messages per second, of all devices together
SEEDS = (1, 2, 3)
QUIET_S = 30.0  # nothing new for so long, and what is not stored will not be; longer than any wait
PATIENCE_S = 120.0
MOMENT_S = 2.0

_SETTLED = "select coalesce(sum(stored - overwritten + rejected), 0) from batch"
VOLUME_MIB = 1_024


async def run_scenario(name: str, seed: int) -> dict[str, object]:
    """Run one scenario with one seed; return its counts."""
    scenario, started = SCENARIOS[name], time.monotonic()
    async with AsyncExitStack() as stack:
        hurt = await _rig(stack, scenario)
        run = Run(hurt, random.Random(seed))
        writer = _writer(hurt, scenario, seed)
        await writer.start()
        stack.push_async_callback(writer.stop)
        await asyncio.sleep(1)
        await scenario.inflict(run)
        async with asyncio.timeout(scenario.seconds + PATIENCE_S):
            await writer.wait()
        await _until_settled(hurt)
        if scenario.afterwards is not None:
            await scenario.afterwards(run)
        history = History.read(hurt.history.read_text().splitlines())
        rejected = await hurt.rejected()
        verdict = checker.check(
            history, await hurt.rows(), by_receipt=scenario.receipts, rejected=rejected
        )
        duplicates, _ = await hurt.totals()
        faults = await hurt.ledger_faults()
        window = checker.window(history, verdict.lost, run.broker_killed_at)
    return {
        "scenario": name,
        "seed": seed,
        **_counts(verdict),
        "rejected_and_kept": len(rejected),
        "delivered_again": duplicates,
        "ledger_faults": faults,
        "before_ms": round(window.before_s * 1000) if scenario.window else None,
        "after_ms": round(window.after_s * 1000) if scenario.window else None,
        "seconds": round(time.monotonic() - started),
        "held": _held(scenario, verdict, faults),
    }


def _held(scenario: Scenario, verdict: Verdict, ledger_faults: int) -> bool:
    """Tell whether every promise was kept; what the broker alone lost is not the hub's promise."""
    if scenario.window:
        broken = bool(verdict.duplicated or verdict.altered or verdict.phantom)
    else:
        broken = not verdict.is_clean or verdict.unkept > 0
    return not broken and ledger_faults == 0 and verdict.acknowledged > 0


def _counts(verdict: Verdict) -> dict[str, int]:
    return {
        name: len(value) if isinstance(value, (list, tuple)) else value
        for name, value in asdict(verdict).items()
    }


async def _rig(stack: AsyncExitStack, scenario: Scenario) -> Rig:
    volume, env = None, {}
    if scenario.small_volume:
        volume = await stack.enter_async_context(small_volume(VOLUME_MIB))
    clock = None
    if scenario.faked_clock:
        clock = Path(tempfile.mkdtemp(prefix="stadsnav-clock-")) / "offset"
        clock.write_text("+0\n")
        env = {
            "LD_PRELOAD": clock_library(),
            "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_NO_CACHE": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
    hurt = await stack.enter_async_context(
        rig(broker=scenario.broker, volume=volume, ingest_env=env, receipts=scenario.receipts)
    )
    if volume is not None:
        hurt.volume = volume
    if clock is not None:
        hurt.clock = clock
    return hurt


def _writer(hurt: Rig, scenario: Scenario, seed: int) -> Child:
    options = {
        "port": hurt.device_port,
        "history": str(hurt.history),
        "devices": DEVICES,
        "rate": RATE,
        "seconds": scenario.seconds,
        "seed": seed,
        "receipts": scenario.receipts,
        "untimed": scenario.untimed,
    }
    command = [sys.executable, "-m", "bench.chaos.writer", json.dumps(options)]
    return Child("writer", command, hurt.folder / "writer.log")


async def _until_settled(hurt: Rig) -> None:
    """Wait until all that was acknowledged is stored or rejected, or nothing more comes at all."""
    history = History.read(hurt.history.read_text().splitlines())
    quiet_since, before = time.monotonic(), None
    async with asyncio.timeout(PATIENCE_S):
        while time.monotonic() - quiet_since < QUIET_S:
            async with hurt.sql() as db:
                now = await db.fetchval(_SETTLED)
            if now >= len(history.acknowledged):
                await asyncio.sleep(MOMENT_S)  # for what nobody expects
                return
            if now != before:
                quiet_since, before = time.monotonic(), now
            await asyncio.sleep(0.2)


async def main() -> int:
    arguments = _arguments()
    names = arguments.scenario or (SHORT if arguments.short else tuple(SCENARIOS))
    seeds = arguments.seed or (SEEDS[:1] if arguments.short else SEEDS)
    results = []
    for name in names:
        for seed in seeds:
            say(f"{name}, seed {seed}: {SCENARIOS[name].what}")
            result = await run_scenario(name, seed)
            results.append(result)
            say(f"    {_line(result)}")
    if arguments.json:
        print(json.dumps({"bench": "bench.chaos", "rate": RATE, "runs": results}))
    else:
        _table(results)
    broken = [result for result in results if not result["held"]]
    say("every promise was kept" if not broken else f"{len(broken)} runs BROKE A PROMISE")
    return 1 if broken else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.chaos",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--scenario", action="append", choices=sorted(SCENARIOS), metavar="NAME")
    parser.add_argument("--seed", action="append", type=int)
    parser.add_argument("--short", action="store_true", help="a selection of two minutes")
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    return parser.parse_args()


COLUMNS = (
    "scenario", "seed", "made", "acknowledged", "receipted", "stored", "rejected_and_kept",
    "delivered_again", "lost", "duplicated", "altered", "phantom", "ledger_faults", "before_ms",
    "after_ms",
)  # fmt: skip


def _line(result: dict[str, object]) -> str:
    told = ", ".join(f"{name} {result[name]}" for name in COLUMNS[2:] if result[name] is not None)
    return f"{told}, {result['seconds']} s: {'held' if result['held'] else 'BROKEN'}"


def _table(results: list[dict[str, object]]) -> None:
    print("| " + " | ".join(COLUMNS) + " | held |")
    print("|---" * (len(COLUMNS) + 1) + "|")
    for result in results:
        cells = ["" if result[name] is None else str(result[name]) for name in COLUMNS]
        print("| " + " | ".join([*cells, "yes" if result["held"] else "NO"]) + " |")


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
