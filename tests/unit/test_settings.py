"""Do settings that cannot work together stop the process at start, naming both numbers?"""

import pytest

from hub.errors import ConfigurationError
from hub.settings import Settings


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("STADSNAV_MQTT_WINDOW", "STADSNAV_INGEST_MAX_BATCH", "STADSNAV_INGEST_QUEUE"):
        monkeypatch.delenv(name, raising=False)


def test_the_defaults_fit_each_other():
    Settings()


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"STADSNAV_MQTT_WINDOW": "20"}, ("WINDOW (20)", "MAX_BATCH (2000)")),
        ({"STADSNAV_INGEST_QUEUE": "1999"}, ("QUEUE (1999)", "MAX_BATCH (2000)")),
        ({"STADSNAV_INGEST_MAX_BATCH": "20000"}, ("WINDOW (10000)", "MAX_BATCH (20000)")),
        (
            {"STADSNAV_MQTT_WINDOW": "30000", "STADSNAV_INGEST_MAX_BATCH": "20000"},
            ("QUEUE (10000)", "MAX_BATCH (20000)"),
        ),
    ],
)
def test_window_queue_and_batch_are_checked_against_each_other(monkeypatch, given, named):
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as told:
        Settings()
    assert all(number in str(told.value) for number in named)


def test_a_queue_and_a_window_of_exactly_one_batch_will_do(monkeypatch):
    for name in ("STADSNAV_MQTT_WINDOW", "STADSNAV_INGEST_MAX_BATCH", "STADSNAV_INGEST_QUEUE"):
        monkeypatch.setenv(name, "500")
    Settings()
