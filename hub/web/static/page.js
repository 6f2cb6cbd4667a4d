// Keep the page as new as its feed. Without this script it shows the values as they were loaded.
"use strict";

(() => {
  const feed = document.getElementById("feed");
  if (!feed) return;

  const POLL_MS = 30_000;
  const SILENCE_MS = 35_000; // the stream says something every few seconds
  const RETRY_MS = 5_000;
  const HIGHLIGHT_MS = 1_600;
  const LEVELS = 7;
  const DECIMALS = 3;
  const FLAGS = [1, 2];

  const root = `/api/v1/feeds/${encodeURIComponent(feed.dataset.feed)}`;
  const widthMs = Number(feed.dataset.width) * 1000; // of averages; 0: every reading
  const skewMs = Date.now() - Date.parse(feed.dataset.now); // this computer's clock, less the hub's
  const status = document.getElementById("status");
  const statusText = document.getElementById("status-text");
  const map = document.getElementById("map");

  const cells = new Map(); // by datastream
  const columns = new Map(); // by property: its heading and cells
  const ages = new Map(); // by device
  const dots = new Map(); // by device

  for (const heading of feed.querySelectorAll("th[data-column]")) {
    columns.set(heading.dataset.column, { heading, cells: [] });
  }
  const order = [...columns.values()];
  for (const row of feed.querySelectorAll("tr[data-device]")) {
    ages.set(row.dataset.device, row.querySelector("td.age"));
    [...row.querySelectorAll("td:not(.age)")].forEach((cell, index) => {
      if (!cell.dataset.stream) return;
      cells.set(cell.dataset.stream, cell);
      order[index].cells.push(cell);
    });
  }
  for (const dot of feed.querySelectorAll("a.dot")) dots.set(dot.dataset.device, dot);

  // ---- words, as hub/web/wording.py has them

  function written(value, decimals) {
    const text = value.toFixed(decimals).replace(/^-(?=[0.]*$)/, "");
    return text.replace("-", "−");
  }

  function decimalsOf(value) {
    const most = widthMs ? Math.max(0, 2 - Math.floor(Math.log10(Math.max(Math.abs(value), 1)))) : DECIMALS;
    return value.toFixed(most).replace(/\.?0+$/, "").split(".")[1]?.length ?? 0;
  }

  function age(ms) {
    const seconds = Math.floor(ms / 1000);
    if (seconds < 1) return "now";
    if (seconds < 60) return `${seconds} s`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
    if (seconds < 86400) return `${Math.floor(seconds / 3600)} h`;
    return `${Math.floor(seconds / 86400)} d`;
  }

  function moment(time) {
    const text = (ms) => new Date(ms).toISOString();
    if (!widthMs) return `${text(time).slice(0, 19).replace("T", " ")} UTC`;
    const end = text(time + widthMs).slice(11, 16);
    return `${text(time).slice(0, 16).replace("T", " ")} to ${end} UTC`;
  }

  function say(state, text) {
    status.dataset.state = state;
    if (statusText.textContent !== text) statusText.textContent = text;
  }

  function setText(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  // ---- one record of the stream or of /latest

  function show(record, highlight) {
    const cell = cells.get(String(record.datastream));
    if (!cell) return;
    const time = Date.parse(record.time);
    if (time < Date.parse(cell.dataset.time)) return; // the past arrives late sometimes
    const value = widthMs ? record.mean : record.value;
    const changed = showValue(cell, record.property, value);
    cell.dataset.time = record.time;
    cell.title = moment(time);
    showFlag(cell, record.quality ?? 0);
    showAge(record.device, time + widthMs);
    showDot(record, value);
    if (changed && highlight) flash(cell);
  }

  function showValue(cell, property, value) {
    const text = cell.querySelector(".value");
    const before = text.textContent;
    if (typeof value !== "number") {
      delete cell.dataset.value;
      setText(text, value ?? "–");
      return text.textContent !== before;
    }
    const column = columns.get(property);
    const changed = Number(cell.dataset.value) !== value;
    cell.dataset.value = value;
    const decimals = decimalsOf(value);
    if (decimals > Number(column.heading.dataset.decimals)) {
      column.heading.dataset.decimals = decimals;
      for (const other of column.cells) rewrite(other, decimals);
    } else {
      rewrite(cell, Number(column.heading.dataset.decimals));
    }
    return changed;
  }

  function rewrite(cell, decimals) {
    if (cell.dataset.value === undefined) return;
    setText(cell.querySelector(".value"), written(Number(cell.dataset.value), decimals));
  }

  function showFlag(cell, quality) {
    const words = FLAGS.filter((flag) => quality & flag).map((flag) => feed.getAttribute(`data-flag-${flag}`)).join("; ");
    let flag = cell.querySelector(".flag");
    if (!words) {
      flag?.remove();
      return;
    }
    if (!flag) {
      flag = document.createElement("span");
      flag.className = "flag";
      flag.setAttribute("role", "img");
      flag.textContent = "!";
      cell.append(flag);
    }
    flag.title = words;
    flag.setAttribute("aria-label", `check this value: ${words}`);
  }

  function showAge(device, time) {
    const cell = ages.get(device);
    const known = Date.parse(cell.dataset.time);
    if (!(time < known)) cell.dataset.time = new Date(time).toISOString();
  }

  function showDot(record, value) {
    const dot = dots.get(record.device);
    if (!dot) return;
    if (record.position && dot.classList.contains("moving")) move(dot, record.position);
    if (record.property === map.dataset.property) colour(dot, value);
  }

  function move(dot, [lon, lat]) {
    const box = map.viewBox.baseVal;
    const within = (number, most) => Math.min(Math.max(number, 0), most).toFixed(1);
    const x = box.width / 2 + (lon - map.dataset.lon) * map.dataset.x;
    const y = box.height / 2 - (lat - map.dataset.lat) * map.dataset.y;
    dot.setAttribute("transform", `translate(${within(x, box.width)} ${within(y, box.height)})`);
  }

  function colour(dot, value) {
    const known = typeof value === "number";
    if (known && map.dataset.low === undefined) map.dataset.low = map.dataset.high = value;
    const low = Number(map.dataset.low);
    const high = Number(map.dataset.high);
    const step = high > low ? Math.floor(((value - low) / (high - low)) * LEVELS) : Math.floor(LEVELS / 2);
    const level = known ? `v${Math.min(Math.max(step, 0), LEVELS - 1)}` : "none";
    dot.setAttribute("class", `dot ${level}${dot.classList.contains("moving") ? " moving" : ""}`);
    const decimals = Number(columns.get(map.dataset.property).heading.dataset.decimals);
    const words = known ? `${written(value, decimals)} ${map.dataset.unit}`.trim() : "–";
    dot.querySelector("title").textContent = `${dot.dataset.name}: ${words}`;
  }

  const flashing = new Map();

  function flash(cell) {
    clearTimeout(flashing.get(cell));
    cell.classList.remove("changed");
    void cell.offsetWidth; // begins the animation anew
    cell.classList.add("changed");
    flashing.set(cell, setTimeout(() => cell.classList.remove("changed"), HIGHLIGHT_MS));
  }

  function tick() {
    const now = Date.now() - skewMs;
    for (const cell of ages.values()) {
      if (cell.dataset.time) setText(cell, age(now - Date.parse(cell.dataset.time)));
    }
  }

  // ---- where the records come from

  /** Fetch the newest values. Tells "ok", "away" (try again), or why there are none any more. */
  async function fetchLatest() {
    try {
      const answer = await fetch(`${root}/latest`, { headers: { Accept: "application/json" } });
      if (answer.status >= 500 || answer.status === 429) return { state: "away" };
      const body = await answer.json();
      if (!answer.ok) return { state: "ended", why: body.detail };
      for (const record of body.readings) show(record, true);
      return { state: "ok", raw: body.resolution === "raw" };
    } catch {
      return { state: "away" };
    }
  }

  function end(why) {
    say("ended", `ended: ${why}`);
  }

  async function poll() {
    const found = await fetchLatest();
    if (found.state === "ended") return end(found.why);
    if (found.state === "ok" && found.raw) return location.reload(); // the agreement has changed
    if (found.state === "ok") say("live", "averages, fetched again every 30 s");
    else say("waiting", "reconnecting");
    setTimeout(poll, POLL_MS);
  }

  let source = null;
  let heardAt = Date.now();

  function follow() {
    source?.close();
    const mine = new EventSource(`${root}/stream`);
    source = mine;
    heardAt = Date.now();
    const heard = () => {
      heardAt = Date.now();
      say("live", "live");
    };
    mine.addEventListener("ready", () => {
      heard();
      fetchLatest(); // what was stored between loading the page and now
    });
    mine.addEventListener("heartbeat", heard);
    mine.addEventListener("readings", (event) => {
      heard();
      for (const record of JSON.parse(event.data)) show(record, true);
    });
    mine.addEventListener("end", (event) => {
      source = null;
      mine.close();
      end(JSON.parse(event.data).detail);
    });
    mine.addEventListener("error", () => {
      if (source !== mine) return;
      say("waiting", "reconnecting");
      if (mine.readyState === EventSource.CLOSED) lookAgain();
    });
  }

  /** The stream was refused: is the hub away, has the right ended, or has it another form now? */
  async function lookAgain() {
    source = null;
    const found = await fetchLatest();
    if (found.state === "ended") return end(found.why);
    if (found.state === "ok" && !found.raw) return location.reload();
    setTimeout(follow, RETRY_MS);
  }

  function watch() {
    tick();
    if (source && Date.now() - heardAt > SILENCE_MS) {
      say("waiting", "reconnecting");
      follow();
    }
  }

  // ---- comforts

  function pointAt(device, on) {
    dots.get(device)?.classList.toggle("pointed", on);
    ages.get(device)?.closest("tr").classList.toggle("pointed", on);
  }

  for (const part of feed.querySelectorAll("tr[data-device], a.dot")) {
    part.addEventListener("pointerenter", () => pointAt(part.dataset.device, true));
    part.addEventListener("pointerleave", () => pointAt(part.dataset.device, false));
  }

  if (navigator.clipboard) {
    for (const command of feed.querySelectorAll(".command")) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "plain copy";
      button.textContent = "Copy";
      button.setAttribute("aria-label", `Copy: ${command.querySelector("h3").textContent}`);
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(command.querySelector("code").textContent);
        button.textContent = "Copied";
        setTimeout(() => (button.textContent = "Copy"), HIGHLIGHT_MS);
      });
      command.querySelector("h3").append(button);
    }
  }

  const chosen = document.querySelector(".tabs [aria-current]");
  if (chosen) chosen.closest("ul").scrollLeft = chosen.offsetLeft - 16; // on narrow screens they are a strip

  tick();
  setInterval(watch, 1000);
  if (widthMs) {
    say("live", "averages, fetched again every 30 s");
    setTimeout(poll, POLL_MS);
  } else {
    say("waiting", "connecting");
    follow();
  }
})();
