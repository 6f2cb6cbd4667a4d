"""Ask a hub in every way, as everybody, and compare with what each should see.

python -m bench.leaks                        100,000 decisions
python -m bench.leaks --decisions 1000000    more of them
python -m bench.leaks --seed 7               another city
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx

from bench.leaks.asking import Asker, Leak, list_feeds, operations
from bench.leaks.seeding import seed
from bench.leaks.world import CANARY_WORDS, PUBLIC, World, make_world
from bench.report import percentile, say
from hub.embedded import postgres
from hub.embedded.network import HOST, free_port
from hub.embedded.process import Child
from hub.storage.migrate import migrate
from hub.storage.pool import connect

DECISIONS = 100_000
AT_ONCE = 8
PATIENCE_S = 30
SHOWN = 10
TIMED = 400  # requests of each kind whose times are compared
TELLING = 0.70  # of pairs in which the same kind is faster: more, and the time tells which it is
SELDOM = {"stream": 0.1, "page": 0.1, "others": 0.2}  # dear ones are not always asked


async def main() -> int:
    arguments = _arguments()
    world = make_world(arguments.seed, datetime.now(UTC).replace(microsecond=0))
    async with _hub(world) as (url, keys, logs):
        size = f"{len(world.organisations)} organisations, {len(world.feeds)} feeds"
        say(f"{size}, seed {arguments.seed}")
        async with httpx.AsyncClient(base_url=url, timeout=60) as http:
            askers = [
                Asker(who, keys.get(who), http, world, random.Random(f"{arguments.seed} {who}"))
                for who in (*world.organisations, PUBLIC)
            ]
            began = time.monotonic()
            counts, leaks = await _ask_all(askers, world, arguments)
            seconds = time.monotonic() - began
            auc = await _timing(askers, world)
        shown = [word for word in CANARY_WORDS if any(word in log.read_text() for log in logs)]
        if shown:
            leaks.append(f"the log holds {shown}")
    for name, count in sorted(counts.items()):
        say(f"{name:<20} {count:>9,} decisions")
    for leak in leaks[:SHOWN]:
        say(f"LEAK {leak}")
    print(
        f"{sum(counts.values()):,} decisions in {seconds:.0f} s, {len(leaks)} disagreements; "
        f"a hidden feed is told from none by time in {auc:.0%} of pairs (50% is by chance)"
    )
    if auc > TELLING:
        say(f"LEAK the time of an answer tells which feeds exist: {auc:.0%}")
    return 1 if leaks or auc > TELLING or sum(counts.values()) < arguments.decisions else 0


async def _ask_all(
    askers: Sequence[Asker], world: World, arguments: argparse.Namespace
) -> tuple[Counter[str], list[str]]:
    counts: Counter[str] = Counter()
    leaks: list[str] = []
    dice = random.Random(arguments.seed)
    ways = operations()
    work = [(asker, feed, name) for asker in askers for feed in world.feeds for name in ways]
    dice.shuffle(work)
    for asker in askers:
        try:
            counts["list"] += await list_feeds(asker)
        except Leak as leak:
            leaks.append(f"{asker.who}: {leak}")
    todo = iter(work * (1 + arguments.decisions // len(work)))

    async def worker() -> None:
        for asker, feed, name in todo:
            if sum(counts.values()) >= arguments.decisions or len(leaks) > SHOWN:
                return
            if dice.random() > SELDOM.get(name, 1.0):
                continue
            try:
                counts[name] += await ways[name](asker, feed)
            except Leak as leak:
                leaks.append(f"{name} as {asker.who} of {feed.id}: {leak}")

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(worker())
    return counts, leaks


async def _timing(askers: Sequence[Asker], world: World) -> float:
    """Return in how many of all pairs a feed that is hidden is answered later than none at all.

    Half of them is chance; or earlier than none, whichever tells more. Asked in turns, one by one.
    """
    asker = askers[0]
    hidden = [f.id for f in world.feeds if f.owner != asker.who and not f.rights]
    times: dict[bool, list[float]] = {True: [], False: []}
    for number in range(2 * TIMED):
        exists = bool(asker.dice.randrange(2))
        name = asker.dice.choice(hidden) if exists else f"none-{number % 1000:03}"
        began = time.perf_counter()
        await asker.get(f"/feeds/{name}/latest")
        times[exists].append(time.perf_counter() - began)
    kept = {kind: [s for s in found if s <= percentile(found, 95)] for kind, found in times.items()}
    later = sum(a > b for a in kept[True] for b in kept[False])
    share = later / (len(kept[True]) * len(kept[False]))
    return max(share, 1 - share)


@asynccontextmanager
async def _hub(world: World) -> AsyncIterator[tuple[str, dict[str, str], list[Path]]]:
    """Run a hub over a world; yield its address, a key per organisation, and its logs."""
    with tempfile.TemporaryDirectory(prefix="stadsnav-leaks-") as name:
        folder, port = Path(name), free_port()
        async with postgres.running(folder / "postgres", folder / "postgres.log") as (url, _):
            async with connect(url) as db:
                await migrate(db)
                keys = await seed(db, world)
            env = {"STADSNAV_DATABASE_URL": url, "STADSNAV_API_PORT": str(port)}
            log = folder / "api.log"
            api = Child("api", [sys.executable, "-m", "hub.cli", "api"], log, env=env)
            await api.start()
            try:
                await _until_ready(f"http://{HOST}:{port}/readyz")
                yield f"http://{HOST}:{port}", keys, [log]
            finally:
                await api.stop()


async def _until_ready(address: str) -> None:
    async with httpx.AsyncClient() as http, asyncio.timeout(PATIENCE_S):
        while True:
            try:
                if (await http.get(address)).is_success:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.leaks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--decisions", type=int, default=DECISIONS)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
