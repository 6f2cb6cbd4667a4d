"""Does the client read what the API gives, through pages and broken streams?"""

import httpx
import pytest

import stadsnav


def page(readings, following=None):
    return httpx.Response(200, json={"readings": readings, "next": following})


def answering(*responses):
    """A client whose hub gives these answers in turn, and a list of what it was asked."""
    asked, rest = [], list(responses)

    def answer(request):
        asked.append(request)
        found = rest.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    transport = httpx.MockTransport(answer)
    return stadsnav.Client("http://hub", "stn_x", transport=transport), asked


async def test_pages_are_followed():
    client, asked = answering(page([{"n": 1}], "http://hub/next?cursor=a"), page([{"n": 2}]))
    async with client:
        found = [r["n"] async for r in client.readings("noise", since="2026-01-01T00:00:00Z")]
    assert found == [1, 2]
    assert asked[0].url.params["from"] == "2026-01-01T00:00:00Z"
    assert asked[1].url.params["cursor"] == "a"
    assert asked[1].headers["authorization"] == "Bearer stn_x"


def events(*items):
    text = "".join(f"event: {name}\nid: {n}\ndata: {data}\n\n" for name, n, data in items)
    return httpx.Response(200, text=text)


async def test_a_broken_stream_is_resumed_after_what_was_seen(monkeypatch):
    monkeypatch.setattr("stadsnav.client.RECONNECT_S", 0)
    client, asked = answering(
        events(("ready", 1, "{}"), ("readings", 2, '[{"n": 1}]'), ("heartbeat", 3, "{}")),
        httpx.ConnectError("away"),
        events(("ready", 3, "{}"), ("readings", 4, '[{"n": 2}]'), ("end", 4, "{}")),
    )
    async with client:
        found = [event async for event in client.stream("noise")]
    assert [(event.position, event.readings) for event in found] == [
        ("2", [{"n": 1}]),
        ("4", [{"n": 2}]),
    ]
    assert [request.headers.get("last-event-id") for request in asked] == [None, "3", "3"]


async def test_what_the_hub_refuses_is_a_problem_with_its_words():
    client, _ = answering(
        httpx.Response(404, json={"title": "Not Found", "detail": "there is no feed 'x'"})
    )
    async with client:
        with pytest.raises(stadsnav.Problem, match="there is no feed 'x'") as caught:
            await client.latest("x")
    assert caught.value.status == 404
