"""Does the page stay as new as its feed, in a real browser?"""

import json
import os
from datetime import UTC, datetime

import httpx
import pytest
from playwright.async_api import async_playwright

pytestmark = [pytest.mark.acceptance, pytest.mark.browser, pytest.mark.timeout(120)]

CHROMIUM = os.environ.get("STADSNAV_TEST_BROWSER", "/usr/bin/chromium")
WAIT_MS = 15_000


@pytest.fixture
async def open_page():
    """Return a page of a fresh browser that remembers what its console complained about."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )

        async def page(**options):
            opened = await (await browser.new_context(**options)).new_page()
            opened.complaints = []
            opened.on("pageerror", lambda error: opened.complaints.append(str(error)))
            opened.on(
                "console",
                lambda message: (
                    opened.complaints.append(message.text)
                    if message.type in ("error", "warning")
                    else None
                ),
            )
            return opened

        yield page
        await browser.close()


@pytest.fixture
async def api(system):
    async with system.running("api") as child:
        yield child


@pytest.fixture
async def web(system, api, make):
    """The address of a hub whose API and ingest run."""
    address = f"http://127.0.0.1:{system.api_port}"
    async with system.running("ingest"), httpx.AsyncClient() as http:
        await system.until_subscribed()

        async def ready():
            try:
                return (await http.get(f"{address}/readyz")).is_success
            except httpx.TransportError:
                return False

        await make.eventually(ready, 30)
        yield address


async def publish(system, device, values, **more):
    async with system.device(device) as client:
        payload = {"time": datetime.now(UTC).isoformat(), "values": values, **more}
        await client.publish(f"v1/devices/{device}/readings", json.dumps(payload), qos=1)


async def shows(page, selector, text):
    await page.wait_for_function(
        "([selector, text]) => document.querySelector(selector)?.textContent.includes(text)",
        arg=[selector, text],
        timeout=WAIT_MS,
    )


async def sign_in(page, web, key, feed):
    await page.goto(f"{web}/")
    await page.get_by_label("Your organisation’s key").fill(key)
    await page.get_by_role("button", name="Show my feeds").click()
    await page.goto(f"{web}/?feed={feed}")
    await shows(page, "#status", "live")
    await page.evaluate("window.notReloaded = true")


async def test_published_values_appear_without_reloading(system, city, web, open_page):
    page = await open_page()
    await sign_in(page, web, city.keys["traffic"], "noise")
    stream = city.streams["noise-1", "laeq"]
    cell = f"td[data-stream='{stream}']"

    await publish(system, "noise-1", {"laeq": 63.25})
    await shows(page, f"{cell} .value", "63.25")
    await publish(system, "noise-1", {"laeq": 300})  # outside the plausible range
    await shows(page, f"{cell} .value", "300")
    await shows(page, f"{cell} .flag", "!")
    await publish(system, "noise-3", {"status": "<b>full</b>"})
    text = f"td[data-stream='{city.streams['noise-3', 'status']}'] .value"
    await shows(page, text, "<b>full</b>")

    assert await page.locator(f"{cell} .value").text_content() == "300.00"
    assert await page.evaluate("window.notReloaded") is True
    assert page.complaints == []


async def test_what_moves_moves_on_the_map(system, city, web, open_page):
    await publish(system, "bus-1", {"laeq": 50}, position=[17.95, 59.45])
    page = await open_page()
    await sign_in(page, web, city.keys["traffic"], "noise")
    dot = page.locator("a.dot[data-device='bus-1']")
    before = await dot.get_attribute("transform")
    await publish(system, "bus-1", {"laeq": 51}, position=[17.955, 59.452])
    await page.wait_for_function(
        "before => document.querySelector(\"a.dot[data-device='bus-1']\")"
        ".getAttribute('transform') !== before",
        arg=before,
        timeout=WAIT_MS,
    )
    assert page.complaints == []


async def test_after_a_restart_of_the_api_the_page_goes_on_by_itself(
    system, city, api, web, open_page
):
    page = await open_page()
    await sign_in(page, web, city.keys["traffic"], "noise")
    await api.stop()
    await shows(page, "#status", "reconnecting")
    await publish(system, "noise-1", {"laeq": 71.5})  # stored while the page could not hear
    await api.start()
    await shows(page, "#status", "live")
    await shows(page, f"td[data-stream='{city.streams['noise-1', 'laeq']}'] .value", "71.5")
    assert await page.evaluate("window.notReloaded") is True


async def test_the_page_says_when_the_right_ends(system, city, db, web, open_page):
    page = await open_page()
    await sign_in(page, web, city.keys["traffic"], "noise")
    await db.execute("update agreement set state = 'terminated' where consumer = 'traffic'")
    await shows(page, "#status", "ended: ")


async def test_averages_are_polled_and_the_page_says_so(city, web, open_page):
    page = await open_page()
    await page.goto(f"{web}/")
    await page.get_by_label("Your organisation’s key").fill(city.keys["property"])
    await page.get_by_role("button", name="Show my feeds").click()
    await page.goto(f"{web}/?feed=noise")
    await shows(page, "#status", "fetched again every 30 s")
    assert page.complaints == []


async def test_without_script_the_values_at_loading_are_there(system, city, web, open_page, make):
    await publish(system, "noise-2", {"laeq": 44.5})
    page = await open_page(java_script_enabled=False, viewport={"width": 390, "height": 800})
    stream = city.streams["noise-2", "laeq"]

    async def there():
        await page.goto(f"{web}/?feed=open")
        return "44.5" in (await page.locator(f"td[data-stream='{stream}']").text_content() or "")

    await make.eventually(there)
    assert "as of" in (await page.locator("#status").text_content() or "")
