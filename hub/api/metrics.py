"""What Prometheus sees of the hub: the ledger's totals, and this process's requests."""

from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from hub.storage.pool import Record

REGISTRY = CollectorRegistry()

REQUESTS = Histogram(
    "stadsnav_http_request_seconds",
    "Time until a response began, by route.",
    ["method", "route", "status"],
    registry=REGISTRY,
)
DELIVERED = Counter(
    "stadsnav_delivered_readings_total",
    "Readings and buckets handed out, by channel.",
    ["channel"],
    registry=REGISTRY,
)


class LedgerCollector:
    """The ledger as metrics, from rows read for this one scrape."""

    def __init__(self, totals: Sequence[Record], rejected: Sequence[Record]) -> None:
        self._totals = totals
        self._rejected = rejected

    def collect(self) -> Iterator[Metric]:
        for name, what in (
            ("messages", "Messages taken in."),
            ("received", "Readings received: stored + duplicates + rejected."),
            ("stored", "Readings stored."),
            ("duplicates", "Readings that were stored before."),
            ("rejected", "Readings that could not be accepted."),
        ):
            family = CounterMetricFamily(f"stadsnav_ingest_{name}", what, labels=["connector"])
            for row in self._totals:
                family.add_metric([row["id"]], row[name])
            yield family
        yield self._reasons()

    def _reasons(self) -> Metric:
        family = GaugeMetricFamily(
            "stadsnav_ingest_rejected_last_day",
            "Readings rejected during the last day, by reason.",
            labels=["connector", "reason"],
        )
        for row in self._rejected:
            family.add_metric([row["connector"], row["reason"]], row["readings"])
        return family


def collectors(totals: Sequence[Record], rejected: Sequence[Record]) -> Iterable[CollectorRegistry]:
    """Return the registries to expose for one scrape."""
    scrape = CollectorRegistry(auto_describe=False)
    scrape.register(LedgerCollector(totals, rejected))
    return REGISTRY, scrape
