"""Is this event in the hub's audit? Checked without the hub: `audit_proof.py PROOF ANCHORS`.

PROOF is what `stadsnav audit prove` or `GET /api/v1/audit/{position}/proof` gave; ANCHORS the file
with a line for each anchor, from the place outside of the hub where they are kept.
"""

import json
import sys
from hashlib import sha256
from pathlib import Path


def root_of(proof: dict) -> bytes:
    """Compute the root that an event and its path lead to (RFC 9162, section 2.1.3.2)."""
    told = json.dumps(
        proof["event"], sort_keys=True, separators=(",", ":"), ensure_ascii=False
    ).encode()
    event = sha256(bytes.fromhex(proof["previous"]) + told).digest()
    node = sha256(b"\x00" + event).digest()
    index = proof["event"]["position"] - proof["anchor"]["first"]
    last = proof["anchor"]["last"] - proof["anchor"]["first"]
    for sibling in map(bytes.fromhex, proof["path"]):
        if index % 2 or index == last:
            node = sha256(b"\x01" + sibling + node).digest()
            while index and not index % 2:
                index, last = index // 2, last // 2
        else:
            node = sha256(b"\x01" + node + sibling).digest()
        index, last = index // 2, last // 2
    return node if last == 0 else b""


def check(proof: dict, lines: list[str]) -> str:
    """Return what was proved; end with the reason if it was not."""
    before = bytes(32).hex()
    for line in lines:  # each covers the one before: the newest vouches for all
        if json.loads(line)["before"] != before:
            sys.exit(f"the anchors are not whole at {line}")
        before = sha256(line.encode()).hexdigest()
    if proof["anchor"] not in map(json.loads, lines):
        sys.exit("the anchor of this proof is not among the anchors outside")
    if root_of(proof).hex() != proof["anchor"]["root"]:
        sys.exit("this event is not what the anchor was made of")
    event, anchor = proof["event"], proof["anchor"]
    return (
        f"{event['actor']} did {event['action']} with {event['subject']} at {event['at']}: "
        f"event {event['position']}, covered by anchor {anchor['anchor']} of {anchor['at']}"
    )


if __name__ == "__main__":
    given, anchors = (Path(name).read_text("utf-8") for name in sys.argv[1:])
    print(check(json.loads(given), anchors.splitlines()))
