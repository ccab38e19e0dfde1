"""The status page in a real browser: it moves, says what /metrics says, and gives the browser nothing to complain of."""

import base64
import json
import shutil
import time
import urllib.request

import catalogue
from chromium import Chromium
from components import Agent, free_port
from promtext import Page
from report import wait_for

TICK = 0.01
WIDTHS = {"wide": 1280, "phone": 360}
NONE = "–"
# Made by libxcrypt.
PASSWORD = "correct horse"
BCRYPT = "$2y$10$0YWaOX9M5mthyCtCMBF9qeZ0I5TMze6UGWDjE0m6RXMhKHxLINDzW"


def run(report, directory, _):
    if not (shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")):
        report.note("page: no Chromium here, so only the data is looked at")
        return
    metrics = catalogue.load()
    endpoint = f"http://127.0.0.1:{free_port()}"  # nobody is there: the queue fills
    with Agent(directory, endpoint=endpoint, interval_ms=2000) as agent:
        agent.start()
        with report.check("page: its data says what /metrics says") as check:
            data(check, agent, metrics)
        with Chromium(directory) as browser:
            with report.check("page: a queue that waits is said first, and the page is small") as check:
                waits(check, agent, browser)
            with report.check("page: after 12 s it has moved, and the browser has nothing to complain of") as check:
                moved(check, browser)
            with report.check("page: a screen reader gets every number") as check:
                heard(check, browser)
            with report.check("page: an agent that is gone is told of") as check:
                gone(check, agent, browser)
    with report.check("page: what is shown is what /metrics says") as check:
        shown(check, directory / "shown", metrics)
    for name, width in WIDTHS.items():
        for dark in (False, True):
            with report.check(f"page: {name}, {'dark' if dark else 'light'}") as check:
                looks(check, directory / f"{name}-{dark}", width, dark)
    with report.check("page: without a script it says the same") as check:
        still(check, directory / "still")
    with report.check("page: behind a password") as check:
        guarded(check, directory / "guarded")


def status(agent):
    code, text = agent.get("/-/status.json")
    if code != 200:
        raise RuntimeError(f"/-/status.json answers {code}")
    return json.loads(text)


def moment(agent):
    """The status page's data and /metrics of the same reading of the host."""
    for _ in range(10):
        # A point is taken each 4.8 s at most; then whoever asks within 0.9 s shares its reading.
        time.sleep(5)
        begun = time.time()
        found, page = status(agent), agent.page()
        # How many series the page had that was just read.
        found["series"] = status(agent)["series"]
        if time.time() - begun < 0.8 and found["time"] > begun - 0.1:
            return found, page
    raise RuntimeError("no reading could be shared")


def data(check, agent, metrics):
    name = {key: metric.prometheus for key, metric in metrics.items()}
    (before, page_before), (after, page) = moment(agent), moment(agent)
    values = after["values"]
    for state in ("used", "free", "buffers", "cached"):
        check.same(f"memory {state}", values[f"memory.{state}"],
                   page.sum(name["system.memory.usage"], system_memory_state=state))
    check.same("memory limit", values["memory.limit"], page.sum(name["system.memory.limit"]))
    cpu = {mode: page.sum(name["system.cpu.time"], cpu_mode=mode) - page_before.sum(name["system.cpu.time"], cpu_mode=mode)
           for mode in page.values(name["system.cpu.time"], "cpu_mode")}
    passed = after["time"] - before["time"]
    for mode in cpu.keys() - {"idle"}:
        share = cpu[mode] / sum(cpu.values())
        slack = 2 * TICK / sum(cpu.values()) + 1e-3
        found = values[f"cpu.{mode}"]
        # Between the two moments, others may have been asked; then the last share is of less time.
        check.that(abs(found - share) <= slack or passed > 6, f"cpu {mode} is {found}, /metrics says {share}")
    for resource in ("cpu", "memory", "io"):
        total = name[f"system.{resource}.linux.pressure.total"]
        if total not in page.samples:
            continue
        grown = [p.sum(total, system_pressure_stall_type="some") for p in (page_before, page)]
        share = (grown[1] - grown[0]) / passed
        found = values[f"pressure.{resource}"]
        check.that(abs(found - share) < 0.02 or passed > 6, f"pressure {resource} is {found}, /metrics says {share}")
    check.same("series", after["series"], sum(len(s) for n, s in page.samples.items() if n != "target_info"))
    otlp = after["otlp"]
    check.that(otlp["state"].startswith("waiting") and otlp["queue"]["points"] > 0, f"the queue is {otlp}")
    gone = otlp["delivered"] + sum(otlp["dropped"].values()) + sum(otlp["rejected"].values())
    check.same("collected", otlp["collected"], gone + otlp["queue"]["points"])
    for collector, told in after["collectors"].items():
        if told["points"] is not None and collector != "agent":
            points = page.sum(name["hostmeter.collector.points"], hostmeter_collector=collector)
            check.same(f"points of {collector}", told["points"], points)
    top = after["processes"]
    check.that(top and top == sorted(top, key=lambda p: -(p["cpu"] or 0)), "the processes are not in order")
    for process in top:
        shown = page.select(name["process.memory.usage"], process_pid=process["pid"])
        check.that([value for _, value in shown] == [process["memory"]], f"{process} is {shown} on /metrics")


def text(browser, key):
    return browser.value(f"document.querySelector('[data-l=\"{key}\"]').textContent")


def human(value):
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if value < 1024 or unit == "TiB":
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024


# When the page has just been written anew: its texts, and /metrics of the same reading.
NOW = """new Promise(done => new MutationObserver(async (_, observer) => {
  observer.disconnect();
  const answer = await fetch('metrics');
  const page = await answer.text();
  const texts = [...document.querySelectorAll('[data-l]')].map(e => [e.dataset.l, e.textContent]);
  done({page, texts: Object.fromEntries(texts)});
}).observe(document.querySelector('[data-l="up"]'), {childList: true}))"""


def shown(check, directory, metrics):
    with Agent(directory) as agent, Chromium(directory) as browser:
        agent.start()
        # The first /metrics has the whole page loaded anew.
        agent.page()
        browser.open(f"http://127.0.0.1:{agent.port}/")
        # The first two follow each other sooner than readings do.
        for _ in range(3):
            now = browser.value(NOW)
        page, texts = Page(now["page"]), now["texts"]
        name = {key: metric.prometheus for key, metric in metrics.items()}
        for state in ("used", "free", "buffers", "cached"):
            value = page.sum(name["system.memory.usage"], system_memory_state=state)
            check.same(f"memory {state}", texts[f"memory.{state}"], human(value))
        for place in range(10):
            for labels, value in page.select(name["process.memory.usage"], process_pid=texts[f"p{place}p"]):
                check.same(f"process {place}", (texts[f"p{place}n"], texts[f"p{place}m"]),
                           (labels["process_executable_name"], human(value)))
                cpu = page.select(name["process.cpu.utilization"], process_pid=texts[f"p{place}p"])
                check.same(f"CPU of {place}", texts[f"p{place}c"], f"{100 * sum(v for _, v in cpu):.1f} %" if cpu else NONE)


def waits(check, agent, browser):
    browser.open(f"http://127.0.0.1:{agent.port}/")
    check.that("OTLP is waiting" in text(browser, "verdict.bold"), text(browser, "verdict.bold"))
    check.same("class of the verdict", browser.value("document.querySelector('.verdict').classList.contains('good')"), False)
    size = len(agent.get("/")[1].encode())
    check.that(size < 60_000, f"the page has {size} bytes")


def moved(check, browser):
    keys = ("cpu.user", "own.cpu", "memory.free", "otlp.queue", "up")
    look = "JSON.stringify([...document.querySelectorAll('path[data-l]')].map(e => e.getAttribute('d')))"
    before, drawn = {key: text(browser, key) for key in keys}, browser.value(look)
    browser.listen(12)
    after, now = {key: text(browser, key) for key in keys}, browser.value(look)
    check.that(sum(before[key] != after[key] for key in keys) >= 3, f"still {after}")
    check.that(before["up"] != after["up"] and drawn != now, "the charts stand still")
    paths = json.loads(now)
    check.that(sum(1 for path in paths if path) > 10, f"only {paths} are drawn")
    check.that(not any("NaN" in path for path in paths), "NaN in a path")
    check.same("lost", browser.value("document.getElementById('lost').hidden"), True)
    check.same("complaints", browser.complaints, [])
    # The policy must hold what it says: a script that somebody brought in does not run.
    browser.value("""(() => { const s = document.createElement('script'); s.textContent = 'window.evil = 1';
                  document.body.append(s); return true; })()""")
    check.same("a foreign script", browser.value("window.evil === undefined"), True)
    check.that(any("Content Security Policy" in c or "ContentSecurityPolicy" in c for c in browser.complaints),
               "a violation of the policy would not have been seen")


def heard(check, browser):
    check.same("tables without a caption", browser.value(
        "[...document.querySelectorAll('table')].filter(t => !t.caption?.textContent).length"), 0)
    labels = browser.value("[...document.querySelectorAll('svg')].map(s => s.getAttribute('role') + ' ' + s.getAttribute('aria-label'))")
    check.that(len(labels) == 6 and all(l.startswith("img ") and "Now: " in l for l in labels), f"the labels are {labels}")
    for what in ("html[lang]", "main", "h1", "header nav[aria-label]", "meter[aria-label]", "[role=status]"):
        check.that(browser.value(f"!!document.querySelector('{what}')"), f"no {what}")
    tree = browser.ask("Accessibility.getFullAXTree")["nodes"]
    spoken = " ".join(str(node.get("name", {}).get("value", "")) for node in tree if not node.get("ignored"))
    for key in ("memory.used", "cpu.user", "own.memory"):
        check.that(text(browser, key) in spoken, f"{key} is not in what is heard")


def gone(check, agent, browser):
    agent.stop()
    wait_for("the page telling that nobody answers", 15,
             lambda: browser.listen(0.5) or not browser.value("document.getElementById('lost').hidden"))
    agent.start()
    # Another run of the agent: the page is loaded anew.
    wait_for("the page coming back", 20, lambda: browser.listen(0.5) or browser.value(
        "document.readyState === 'complete' && document.getElementById('lost')?.hidden"))
    check.that(text(browser, "up"), "no time")


def looks(check, directory, width, dark):
    with Agent(directory) as agent, Chromium(directory, width=width, dark=dark) as browser:
        agent.start()
        browser.open(f"http://127.0.0.1:{agent.port}/")
        browser.listen(8)
        browser.screenshot(directory / "page.png")
        check.same("width", browser.value("document.documentElement.scrollWidth"), width)
        back = browser.value("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
        check.that((sum(back) < 150) == dark, f"the background is {back}")
        contrast = browser.value(CONTRAST)
        check.that(contrast == [], f"too little contrast: {contrast}")
        check.same("complaints", browser.complaints, [])


# What is less readable than WCAG's 4.5 to 1.
CONTRAST = """(() => {
  const light = c => { const [r, g, b] = c.match(/[\\d.]+/g).map(x => x / 255)
    .map(x => x <= .03928 ? x / 12.92 : ((x + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
  const back = e => { for (; e; e = e.parentElement) {
    const c = getComputedStyle(e).backgroundColor; if (!/, 0\\)$/.test(c)) return c; } return 'rgb(255,255,255)'; };
  const bad = new Set();
  for (const e of document.querySelectorAll('body *')) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) || !e.offsetParent) continue;
    const [a, b] = [light(getComputedStyle(e).color), light(back(e))].sort((x, y) => y - x);
    if ((a + .05) / (b + .05) < 4.5) bad.add(e.tagName + '.' + e.className + ' ' + getComputedStyle(e).color);
  }
  return [...bad]; })()"""


def still(check, directory):
    with Agent(directory) as agent, Chromium(directory) as browser:
        agent.start()
        time.sleep(1.5)
        browser.ask("Emulation.setScriptExecutionDisabled", value=True)
        browser.open(f"http://127.0.0.1:{agent.port}/")
        check.that(text(browser, "cpu.now") != NONE, "no share of the CPU")
        paths = browser.value("[...document.querySelectorAll('.cpu path[data-l]')].map(e => e.getAttribute('d'))")
        check.that(any(paths), "nothing is drawn")
        check.same("complaints", browser.complaints, [])


def guarded(check, directory):
    directory.mkdir(parents=True)
    web = directory / "web.yml"
    web.write_text(json.dumps({"basic_auth_users": {"somebody": BCRYPT}}))
    with Agent(directory, HOSTMETER_PROMETHEUS__WEB_CONFIG_FILE=web) as agent, Chromium(directory) as browser:
        agent.probe = lambda: agent.get("/-/healthy")[0] in (200, 401)
        agent.start()
        check.same("without a password", [agent.get(path)[0] for path in ("/", "/-/status.json")], [401, 401])
        token = base64.b64encode(f"somebody:{PASSWORD}".encode()).decode()
        header = {"Authorization": f"Basic {token}"}
        request = urllib.request.Request(f"http://127.0.0.1:{agent.port}/-/status.json", headers=header)
        with urllib.request.urlopen(request) as answer:
            check.same("with one", answer.status, 200)
        browser.open(f"http://127.0.0.1:{agent.port}/", headers=header)
        before = text(browser, "up")
        browser.listen(7)
        check.that(before != text(browser, "up"), "it stands still")
        check.same("complaints", browser.complaints, [])
