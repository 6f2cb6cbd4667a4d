"""What does a message of Sparkplug B mean, given the births that came before it?"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from connectors.naming import device_id, property_id
from connectors.sparkplug.nodes import Meaning, Node, Nodes
from connectors.sparkplug.payload import Metric, Payload, read, rebirth
from connectors.untrusted import Fault, Items, named, result
from hub.domain.intake import DEFAULT_LIMITS, Decoded, Limits, Reason, Undecodable

NAMESPACE = "spBv1.0"
BIRTHS = frozenset({"NBIRTH", "DBIRTH"})
DATA = frozenset({"NDATA", "DDATA"})
DEATHS = frozenset({"NDEATH", "DDEATH"})
_COMMANDS = frozenset({"NCMD", "DCMD"})
_OF_A_NODE, _OF_A_DEVICE = 4, 5  # levels of a topic
_STATE = "STATE"  # of a host, such as we are
_BD_SEQ = "bdSeq"
_MOST_ASKED = 1_000  # at a time; the others are asked when they speak again
_CONTROL = ("Node Control/", "Device Control/")


class _Topic(NamedTuple):
    group: str
    kind: str
    node: str
    device: str  # "": the node itself

    @property
    def name(self) -> str:
        return ".".join(level for level in (self.group, self.node, self.device) if level)


class Decoder:
    """Decodes the messages of all nodes, in their order, and notes which should be born again.

    `requests` gives those notes as messages to publish, once each.
    """

    def __init__(
        self,
        limits: Limits = DEFAULT_LIMITS,
        nodes: Nodes | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._limits = limits
        self._nodes = nodes or Nodes()
        self._now = now
        self._asked: dict[str, None] = {}

    def __call__(self, topic: str, payload: bytes) -> Items:
        try:
            about = _read_topic(topic)
            if about is None:
                return []
            return self._decode(about, read(payload, self._limits))
        except Fault as fault:
            return [fault.undecodable]

    def requests(self) -> Sequence[tuple[str, bytes]]:
        """Return, once, what is to be published: requests to be born again."""
        if not self._asked:
            return ()
        asked, self._asked = self._asked, {}
        command = rebirth(int(self._now().timestamp() * 1000))
        return [(topic, command) for topic in asked]

    def _decode(self, about: _Topic, told: Payload) -> Items:
        node = self._nodes.of((about.group, about.node))
        if about.kind == "NDEATH":
            if node.bd_seq == _bd_seq(told):  # and not of a life before this one
                self._nodes.forget(node)
                node.born = False
            return []
        if about.kind == "NBIRTH":
            self._nodes.forget(node)
            node.born, node.unread, node.bd_seq = True, 0, _bd_seq(told)
            node.at(told)
        elif not node.follows(told):
            self._nodes.forget(node)
            self._ask(about, node)
        elif not node.born:
            self._ask(about, node)
        if about.kind in BIRTHS:
            self._nodes.learn(node, about.device, _meanings(told))
        if about.kind == "DDEATH":
            return []
        items = list(self._readings(about, node, told))
        if any(isinstance(i, Undecodable) and i.reason is Reason.UNKNOWN_ALIAS for i in items):
            self._ask(about, node)
        return items

    def _ask(self, about: _Topic, node: Node) -> None:
        if node.should_be_asked() and len(self._asked) < _MOST_ASKED:
            self._asked[f"{NAMESPACE}/{about.group}/NCMD/{about.node}"] = None

    def _readings(
        self, about: _Topic, node: Node, told: Payload
    ) -> Iterator[Decoded | Undecodable]:
        device = device_id(about.name)
        for metric in told.metrics:
            try:
                name, datatype = _meaning(about, node, metric)
                if metric.is_null or name == _BD_SEQ or name.startswith(_CONTROL):
                    continue
                property_ = property_id(name)
                value = result(property_, metric.value(name, datatype), self._limits)
                yield Decoded(device, property_, metric.time, value, None)
            except Fault as fault:
                yield fault.undecodable


def _meaning(about: _Topic, node: Node, metric: Metric) -> Meaning:
    meaning = node.meaning(about.device, metric)
    if meaning is not None:
        return meaning
    if metric.alias is None:
        raise Fault(Reason.BAD_NAME, f"a metric of {named(about.name)} has neither name nor alias")
    raise Fault(
        Reason.UNKNOWN_ALIAS,
        f"alias {metric.alias} of {named(about.name)}: its birth was not seen, and is asked for",
    )


def _read_topic(topic: str) -> _Topic | None:
    """Take a topic apart; None for commands and states of hosts, which hold no readings."""
    levels = topic.split("/")
    if levels[0] == NAMESPACE and len(levels) in (_OF_A_NODE, _OF_A_DEVICE):
        group, kind, node, device = [*levels[1:], ""][:4]
        if kind in _COMMANDS:
            return None
        if kind in BIRTHS | DATA | DEATHS and (kind[0] == "D") is bool(device) and group and node:
            return _Topic(group, kind, node, device)
    if levels[:2] == [NAMESPACE, _STATE]:
        return None
    raise Fault(
        Reason.BAD_TOPIC, f"{topic[:60]!r} is not {NAMESPACE}/{{group}}/DDATA/{{node}}/{{device}}"
    )


def _meanings(told: Payload) -> dict[int, Meaning]:
    return {
        metric.alias: (metric.name, metric.datatype)
        for metric in told.metrics
        if metric.alias is not None and metric.name
    }


def _bd_seq(told: Payload) -> float | str | None:
    for metric in told.metrics:
        if metric.name == _BD_SEQ:
            return metric.raw
    return None
