"""Walk agreements at random beside a model of our own: do both always say the same?"""

import asyncio
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from hub.domain.agreements import Action, Terms
from hub.domain.people import Actor, Deed, Role
from hub.domain.sharing import EVERYTHING, Agreement, Feed, FeedState, Grant, Principal, Scope
from hub.errors import Conflict, NotFound
from hub.sharing import agreeing
from hub.sharing.access import decide

START = datetime(2026, 11, 23, 9, tzinfo=UTC)
DAY = timedelta(days=1)
FEED = Feed(
    "noise", "provider", "Noise", "", "", FeedState.PUBLISHED, listed=True, confidentiality=1
)
OFFICERS = {
    who: Actor(f"person:{who}", who, frozenset({Role.DATA_OFFICER}))
    for who in ("provider", "consumer", "stranger")
}

# What DESIGN says, written down a second time: state → who → action → state.
MODEL = {
    "draft": {
        "provider": {"offer": "offered", "withdraw": "withdrawn"},
        "consumer": {"request": "requested", "withdraw": "withdrawn"},
    },
    "requested": {
        "provider": {"offer": "offered", "accept": "agreed", "decline": "declined"},
        "consumer": {"withdraw": "withdrawn"},
    },
    "offered": {
        "provider": {"withdraw": "withdrawn"},
        "consumer": {"request": "requested", "accept": "agreed", "decline": "declined"},
    },
    "agreed": {
        "provider": {"activate": "active", "withdraw": "withdrawn", "decline": "declined"},
        "consumer": {"withdraw": "withdrawn", "decline": "declined"},
    },
    "active": {
        "provider": {"suspend": "suspended", "revoke": "revoked", "terminate": "terminated"},
        "consumer": {"terminate": "terminated"},
    },
    "suspended": {
        "provider": {"resume": "active", "revoke": "revoked", "terminate": "terminated"},
        "consumer": {"terminate": "terminated"},
    },
}
# Repeating what was done is no error.
DONE = {
    ("requested", "consumer", "request"), ("offered", "provider", "offer"),
    ("agreed", "provider", "accept"), ("agreed", "consumer", "accept"),
    ("declined", "provider", "decline"), ("declined", "consumer", "decline"),
    ("withdrawn", "provider", "withdraw"), ("withdrawn", "consumer", "withdraw"),
    ("active", "provider", "activate"), ("active", "provider", "resume"),
    ("suspended", "provider", "suspend"), ("revoked", "provider", "revoke"),
    ("terminated", "provider", "terminate"), ("terminated", "consumer", "terminate"),
}  # fmt: skip
PEOPLE_S = [action for action in Action if action not in (Action.EXPIRE, Action.REPLACE)]


class InMemory:
    """Files that behave: what is saved is found, what was recorded stays."""

    def __init__(self):
        self.dossiers, self.events = {}, []

    async def feed(self, feed_id):
        return FEED if feed_id == FEED.id else None

    async def properties(self, _feed_id):
        return {"laeq"}

    async def locked(self, agreement):
        return self.dossiers.get(agreement)

    async def in_force(self, feed, consumer):
        return [
            d for d in self.dossiers.values()
            if (d.feed, d.consumer) == (feed, consumer) and d.state in ("active", "suspended")
        ]  # fmt: skip

    async def open_version(self, series, side):
        for d in self.dossiers.values():
            open_ = d.state in ("requested", "offered", "agreed")
            if d.series == series and (open_ or (d.state == "draft" and d.drafted_by == side)):
                return d.id
        return None

    async def newest_version(self, series):
        return max(d.version for d in self.dossiers.values() if d.series == series)

    async def ran_out(self, now, limit):
        over = [
            d for d in self.dossiers.values()
            if d.state in ("active", "suspended")
            and d.terms.valid_until and d.terms.valid_until <= now
        ]  # fmt: skip
        return over[:limit]

    async def add(self, new):
        number = len(self.dossiers) + 1
        self.dossiers[number] = replace(new, id=number, series=new.series or number)
        return self.dossiers[number]

    async def save(self, changed):
        self.dossiers[changed.id] = changed

    async def record(self, event):
        self.events.append(event)


class Negotiations(RuleBasedStateMachine):
    agreements = Bundle("agreements")

    def __init__(self):
        super().__init__()
        self.files, self.now = InMemory(), START
        self.model, self.drafter, self.series = {}, {}, {}
        self.recorded = defaultdict(int)

    def run(self, work):
        return asyncio.run(work)

    @rule(target=agreements, who=st.sampled_from(["provider", "consumer"]), days=st.integers(1, 9))
    def draft(self, who, days):
        terms = Terms("purpose", "basis", EVERYTHING, valid_until=self.now + days * DAY)
        consumer = "consumer" if who == "provider" else None
        deed = Deed(OFFICERS[who], self.now)
        made = self.run(agreeing.draft(self.files, deed, FEED.id, consumer, terms))
        self.model[made.id], self.drafter[made.id] = "draft", who
        self.series[made.id] = made.id
        self.recorded[made.id] += 1
        return made.id

    @rule(
        agreement=agreements,
        who=st.sampled_from(sorted(OFFICERS)),
        action=st.sampled_from(PEOPLE_S),
    )
    def act(self, agreement, who, action):
        before = dict(self.files.dossiers)
        state, deed = self.model[agreement], Deed(OFFICERS[who], self.now)
        try:
            self.run(agreeing.act(self.files, deed, agreement, action))
        except NotFound:
            hidden = state == "draft" and who != self.drafter[agreement]
            assert who == "stranger" or hidden
            assert self.files.dossiers == before
        except Conflict:
            assert not self._is_possible(agreement, state, who, action)
            assert self.files.dossiers == before
        else:
            self._follow(agreement, state, who, action)

    def _is_possible(self, agreement, state, who, action):
        if (state, who, action) in DONE:
            return True
        if action not in MODEL.get(state, {}).get(who, {}):
            return False
        over = self.files.dossiers[agreement].terms.valid_until <= self.now
        if action in ("accept", "activate", "resume") and over:
            return False
        if action == "activate":
            return not any(
                self.model[other] in ("active", "suspended")
                and self.series[other] != self.series[agreement]
                and self.files.dossiers[other].terms.valid_until > self.now
                for other in self.model
            )
        return True

    def _follow(self, agreement, state, who, action):
        if (state, who, action) in DONE:
            return
        assert self._is_possible(agreement, state, who, action)
        if action == "activate":
            for other in self.model:
                if other != agreement and self.model[other] in ("active", "suspended"):
                    over = self.files.dossiers[other].terms.valid_until <= self.now
                    run_out = over and self.files.dossiers[other].state == "expired"
                    self.model[other] = "expired" if run_out else "superseded"
                    self.recorded[other] += 1
        self.model[agreement] = MODEL[state][who][action]
        self.recorded[agreement] += 1

    @rule(target=agreements, agreement=agreements, who=st.sampled_from(["provider", "consumer"]))
    def supersede(self, agreement, who):
        try:
            deed = Deed(OFFICERS[who], self.now)
            made = self.run(agreeing.supersede(self.files, deed, agreement, None))
        except (Conflict, NotFound):
            return agreement
        assert self.model[agreement] in ("active", "suspended")
        self.model[made.id], self.drafter[made.id] = "draft", who
        self.series[made.id] = self.series[agreement]
        self.recorded[made.id] += 1
        return made.id

    @rule(days=st.integers(0, 4))
    def time_passes(self, days):
        self.now += days * DAY

    @rule()
    def expire(self):
        for ended in self.run(agreeing.expire(self.files, self.now)):
            assert self.model[ended.id] in ("active", "suspended")
            self.model[ended.id] = "expired"
            self.recorded[ended.id] += 1

    @invariant()
    def both_say_the_same(self):
        assert {n: d.state for n, d in self.files.dossiers.items()} == self.model

    @invariant()
    def every_change_is_on_record_and_nothing_else(self):
        recorded = defaultdict(int)
        for event in self.files.events:
            recorded[int(event.subject.split("/")[1])] += 1
        assert recorded == self.recorded

    @invariant()
    def never_two_rights_between_the_same_two(self):
        assert sum(state == "active" for state in self.model.values()) <= 1

    @invariant()
    def the_gate_agrees(self):
        caller = Principal("consumer", "app", frozenset({Scope.READ}))
        rows = [
            Agreement(d.id, d.feed, d.consumer, d.state, "", "", d.terms.valid_from or START,
                      d.terms.valid_until)
            for d in self.files.dossiers.values()
        ]  # fmt: skip
        granted = isinstance(decide(caller, FEED, rows, self.now), Grant)
        expected = any(
            state == "active" and self.files.dossiers[n].terms.valid_until > self.now
            for n, state in self.model.items()
        )
        assert granted == expected


Negotiations.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None
)  # fmt: skip
TestNegotiations = Negotiations.TestCase
