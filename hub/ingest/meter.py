"""What has this ingest process done so far? Counters that anyone may look at."""

from datetime import UTC, datetime

from hub.domain.intake import Intake, Outcome
from hub.ingest.batching import Pending


class Meter:
    """Counts what passes through one pipeline; nothing here is needed to be right by others."""

    def __init__(self) -> None:
        self.received_total = 0
        self.stored_total = 0
        self.duplicates_total = 0
        self.rejected_total = 0
        self.batches_total = 0
        self.lag_s = 0.0  # from the newest reading's phenomenon time to its commit

    def received(self, intake: Intake) -> None:
        self.received_total += intake.received

    def committed(self, batch: Pending, outcome: Outcome) -> None:
        self.batches_total += 1
        self.stored_total += outcome.stored
        self.duplicates_total += outcome.duplicates
        self.rejected_total += outcome.rejected
        readings = batch[-1].intake.readings
        if readings:
            self.lag_s = (datetime.now(UTC) - readings[-1].time).total_seconds()

    @property
    def in_flight(self) -> int:
        """Return how many readings have arrived and are not committed yet."""
        return self.received_total - self.stored_total - self.duplicates_total - self.rejected_total
