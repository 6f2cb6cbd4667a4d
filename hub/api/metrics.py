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
    """The ledger and the ingest processes as metrics, from rows read for this one scrape."""

    def __init__(
        self,
        connectors: Sequence[Record],
        rejected: Sequence[Record],
        processes: Sequence[Record],
    ) -> None:
        self._connectors = connectors
        self._rejected = rejected
        self._processes = processes

    def collect(self) -> Iterator[Metric]:
        for name, what in (
            ("messages", "Messages taken in."),
            ("received", "Readings received: stored + duplicates + rejected."),
            ("stored", "Readings stored."),
            ("duplicates", "Readings that were stored before."),
            ("rejected", "Readings that could not be accepted."),
        ):
            family = CounterMetricFamily(f"stadsnav_ingest_{name}", what, labels=["connector"])
            for row in self._connectors:
                family.add_metric([row["id"]], row[name])
            yield family
        yield from self._lately()
        yield from self._now()
        yield self._reasons()

    def _lately(self) -> Iterator[Metric]:
        for name, what, column in (
            ("rate", "Readings per second received during the last minute.", "rate_per_s"),
            ("lag_seconds", "Phenomenon time to commit, the most of the last minute.", "lag_s"),
        ):
            family = GaugeMetricFamily(f"stadsnav_ingest_{name}", what, labels=["connector"])
            for row in self._connectors:
                if row[column] is not None:
                    family.add_metric([row["id"]], row[column])
            yield family
        last = GaugeMetricFamily(
            "stadsnav_ingest_last_message_timestamp_seconds",
            "When the last message was committed, in Unix time.",
            labels=["connector"],
        )
        for row in self._connectors:
            if row["last_message_at"] is not None:
                last.add_metric([row["id"]], row["last_message_at"].timestamp())
        yield last

    def _now(self) -> Iterator[Metric]:
        for name, what, column in (
            ("connected", "1 while the process is subscribed at its broker.", "connected"),
            ("in_flight", "Readings received and not committed yet.", "in_flight"),
            ("qos0_dropped", "QoS 0 messages dropped since the process began.", "qos0_dropped"),
        ):
            family = GaugeMetricFamily(
                f"stadsnav_ingest_{name}", what, labels=["connector", "client_id"]
            )
            for row in self._processes:
                family.add_metric([row["connector"], row["client_id"]], row[column])
            yield family

    def _reasons(self) -> Metric:
        family = GaugeMetricFamily(
            "stadsnav_ingest_rejected_last_day",
            "Readings rejected during the last day, by reason.",
            labels=["connector", "reason"],
        )
        for row in self._rejected:
            family.add_metric([row["connector"], row["reason"]], row["readings"])
        return family


class ReplicaCollector:
    """How far a replica is behind as metrics; none of them where there is no replica."""

    def __init__(self, lag_s: float | None, *, is_used: bool) -> None:
        self._lag_s = lag_s
        self._is_used = is_used

    def collect(self) -> Iterator[Metric]:
        if self._lag_s is None:
            return
        yield GaugeMetricFamily(
            "stadsnav_replica_lag_seconds",
            "How old what the replica shows may be; infinite before it was seen.",
            value=self._lag_s,
        )
        yield GaugeMetricFamily(
            "stadsnav_replica_used", "1 while rows are read from it.", value=float(self._is_used)
        )


def collectors(*made: LedgerCollector | ReplicaCollector) -> Iterable[CollectorRegistry]:
    """Return the registries to expose for one scrape."""
    scrape = CollectorRegistry(auto_describe=False)
    for one in made:
        scrape.register(one)
    return REGISTRY, scrape
