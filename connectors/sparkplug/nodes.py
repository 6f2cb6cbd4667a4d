"""What is remembered of the nodes: what their aliases mean, and which message must come next."""

from collections import OrderedDict
from dataclasses import dataclass, field

from connectors.sparkplug.payload import SEQUENCE, Metric, Payload

# What comes from outside is bounded: 200,000 aliases are some 50 MB. Beyond, the node that was
# silent for longest is forgotten, and asked for its birth when it speaks again.
ALIASES = 200_000
NODES = 20_000

Meaning = tuple[str, int]  # name and data type
Key = tuple[str, str]  # group and node


@dataclass(slots=True)
class Node:
    """One edge node. Without its births, what it says by alias means nothing."""

    born: bool = False
    bd_seq: float | str | None = None
    aliases: dict[str, dict[int, Meaning]] = field(default_factory=dict)  # by device; "": its own
    seq: int | None = None  # of the last message
    timestamp: int = 0  # of the last message
    unread: int = 0  # messages since its birth that it should have said differently

    def meaning(self, device: str, metric: Metric) -> Meaning | None:
        """Return name and data type of a metric; None if its alias means nothing to us."""
        known = self.aliases.get(device, {}).get(metric.alias) if metric.alias is not None else None
        if metric.name:
            datatype = metric.datatype or (known[1] if known and known[0] == metric.name else 0)
            return metric.name, datatype
        return known

    def follows(self, payload: Payload) -> bool:
        """Tell whether a message is the next one, or one that we had, and remember where we are.

        After a connection was lost the broker delivers again what it has no acknowledgement of:
        that is no gap, and bears no later time than what we had.
        """
        if payload.seq is None or self.seq is None:
            self.at(payload)
            return payload.seq is not None
        if payload.seq == (self.seq + 1) % SEQUENCE:
            self.at(payload)
            return True
        if payload.timestamp is not None and payload.timestamp <= self.timestamp:
            return True
        self.at(payload)
        return False

    def at(self, payload: Payload) -> None:
        self.seq, self.timestamp = payload.seq, payload.timestamp or 0

    def size(self) -> int:
        return sum(len(meanings) + 1 for meanings in self.aliases.values())

    def should_be_asked(self) -> bool:
        """Count a message that could not be read, and tell whether to ask for a birth now.

        At the first, second, fourth, eighth: the request or the birth may have been lost, and a
        node that does not answer must not be flooded.
        """
        self.unread += 1
        return self.unread & (self.unread - 1) == 0


class Nodes:
    """The nodes that were heard of last."""

    def __init__(self, most_aliases: int = ALIASES, most_nodes: int = NODES) -> None:
        self._nodes: OrderedDict[Key, Node] = OrderedDict()
        self._most_aliases = most_aliases
        self._most_nodes = most_nodes
        self._known = 0

    def of(self, key: Key) -> Node:
        node = self._nodes.setdefault(key, Node())
        self._nodes.move_to_end(key)
        if len(self._nodes) > self._most_nodes:
            self._drop_oldest()
        return node

    def learn(self, node: Node, device: str, meanings: dict[int, Meaning]) -> None:
        """Remember what a birth says the aliases of a device mean."""
        before = node.size()
        node.aliases[device] = meanings
        self._known += node.size() - before
        while len(self._nodes) > 1 and self._known > self._most_aliases:
            self._drop_oldest()

    def forget(self, node: Node) -> None:
        """Forget what all aliases of a node mean: it was born anew, or may have been."""
        self._known -= node.size()
        node.aliases.clear()

    def _drop_oldest(self) -> None:
        _, oldest = self._nodes.popitem(last=False)
        self._known -= oldest.size()
