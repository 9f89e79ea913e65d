"""The console in headless Chromium: first picture of a CT, from a topic to the page with five clients, memory, frame times.

Light is the room here: ``benchmarks.scripted_room`` plays it in a process of its own. A state counts as applied when the page holds it
and whatever is drawn next shows it. How often the pages draw is that of software rendering, all five of them on this machine's
processors, and says little of a machine with a graphics card: it is shown apart and has no limit.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from pkp_bringup.domain import loopback, own_domain

from benchmarks import chromium
from benchmarks.page import child, signed_in, with_pins

ROOT = Path(__file__).resolve().parents[1]
SHOWN = ("room", "align", "inject", "room", "align")
"""What each of the clients shows."""
RATE_HZ = 30.0
FIRST_S, P99_MS, GROWTH = 4.0, 100.0, 0.05
LEAST_S = 0.98 * RATE_HZ
"""Two clocks that are not tied to one another lose a beat now and then."""
SETTLE_S = 45.0
LISTEN = """
window.delays = [];
window.drawn = [];
window.addEventListener("pkp:drawn", () => window.drawn.push(performance.now()));
window.addEventListener("pkp:applied", (event) => {
  const seen = event.detail.topics.verification;
  if (!seen || seen.value.frame_number === window.lastFrame) return;
  window.lastFrame = seen.value.frame_number;
  const stamp = seen.value.header.stamp;
  window.delays.push(Date.now() - (stamp.sec * 1000 + stamp.nanosec / 1e6));
});
"""
EMPTY = "window.delays.length = window.drawn.length = 0"
FRAMES = """
() => new Promise((done) => {
  const times = [];
  const step = (now) => { times.push(now); times.length < 120 ? requestAnimationFrame(step) : done(times); };
  requestAnimationFrame(step);
})
"""


def imported(ct: Path, cases: Path) -> str:
    """A case of a CT, as the page's import makes it."""
    from pkp_console.work import ImportJob, import_ct

    folder = Path(tempfile.mkdtemp(dir=cases / ".console"))
    kind = "dicom" if ct.is_dir() else "nii.gz" if ct.name.endswith(".gz") else "nii"
    place = folder / ("dicom" if ct.is_dir() else f"ct.{kind}")
    shutil.copytree(ct, place) if ct.is_dir() else shutil.copy(ct, place)
    case_id = import_ct(ImportJob(str(folder), kind, None, str(cases), "bench", 2**33, 20_000), lambda stage: None)
    shutil.rmtree(folder)
    return case_id


def first_picture(browser: Any, address: str, case_id: str) -> float:
    """Seconds from opening a case to its first slice."""
    page = signed_in(browser, address, "viewer")
    began = time.perf_counter()
    page.goto(f"{address}#/case/{case_id}")
    page.wait_for_selector(".stage[data-first]")
    seconds = time.perf_counter() - began
    page.context.close()
    return seconds


def heap_mb(page: Any) -> float:
    """What the page's scripts hold after collecting."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    used = session.send("Runtime.getHeapUsage")["usedSize"] / 1e6
    session.detach()
    return float(used)


def resident_mb(pid: int) -> float:
    """Resident memory of a process."""
    words = Path(f"/proc/{pid}/statm").read_text().split()
    return int(words[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def busy_s(pid: int) -> float:
    """Processor time of a process."""
    words = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def busy_share(pid: int, seconds: float) -> float:
    """Of one core."""
    began, before = time.monotonic(), busy_s(pid)
    time.sleep(seconds)
    return (busy_s(pid) - before) / (time.monotonic() - began)


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """Everything, in one room."""
    from playwright.sync_api import sync_playwright

    if chromium.program() is None:
        raise SystemExit("no Chromium here: apt-get install chromium")
    result: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        cases = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "cases"
        case = cases / given.case.name
        shutil.copytree(given.case, case, symlinks=True)
        with_pins(cases, "operator", "operator")
        with_pins(cases, "viewer", "viewer")
        domain = stack.enter_context(own_domain())
        environment = {**os.environ, **loopback(domain), "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
        console = ("pkp_console.command", "--ros", "--port", "0", "--cases", str(cases), "--runs", str(cases.parent / "runs"))
        room = ("benchmarks.scripted_room", "--case", str(case), "--rate", str(RATE_HZ), "--phase", "verify")
        server, line = stack.enter_context(child(*console, environment=environment, awaits="http://"))
        stack.enter_context(child(*room, environment=environment, awaits="ready"))
        address = line.split()[3]
        result["alone_share"] = busy_share(server.pid, 10.0)
        browser = stack.enter_context(chromium.opened(stack.enter_context(sync_playwright())))
        if given.ct is not None:
            result["first_s"] = first_picture(browser, address, imported(given.ct, cases))
        pages = [signed_in(browser, address, "viewer", LISTEN) for _ in SHOWN]
        for page, view in zip(pages, SHOWN, strict=True):
            page.goto(f"{address}#/{view}")
        pages[0].wait_for_timeout(SETTLE_S * 1000)
        for page in pages:
            page.evaluate(EMPTY)
        heap, resident = [heap_mb(p) for p in pages], resident_mb(server.pid)
        seconds = given.minutes * 60
        began, busy = time.monotonic(), busy_s(server.pid)
        while (left := seconds - (time.monotonic() - began)) > 0:
            pages[0].wait_for_timeout(min(left, 5.0) * 1000)  # the pages' events are heard meanwhile
        result["open_share"] = (busy_s(server.pid) - busy) / (time.monotonic() - began)
        delays = [np.array(p.evaluate("window.delays"), dtype=float) for p in pages]
        result["updates_s"] = min(len(d) for d in delays) / seconds
        every = np.concatenate(delays)
        result["delay_ms"] = {f"p{q:g}": float(np.percentile(every, q)) for q in (50, 95, 99)}
        drawn = [float(p.evaluate("window.drawn.length")) / seconds for p in pages]
        result["drawn_s"] = {
            view: min(d for d, v in zip(drawn, SHOWN, strict=True) if v == view) for view in dict.fromkeys(SHOWN)
        }
        for page in pages:
            page.evaluate(EMPTY)
        result["heap_mb"] = [[round(before, 2), round(heap_mb(p), 2)] for p, before in zip(pages, heap, strict=True)]
        result["heap_growth"] = max(after / before - 1 for before, after in result["heap_mb"])
        result["server_growth"] = resident_mb(server.pid) / resident - 1
        for page in pages[1:]:
            page.context.close()
        pages[0].goto(f"{address}#/room")
        pages[0].wait_for_timeout(8000)
        steps = np.diff(np.array(pages[0].evaluate(FRAMES), dtype=float))
        result["frame_ms"] = {"p50": float(np.percentile(steps, 50)), "p95": float(np.percentile(steps, 95))}
    return result


def rows(result: dict[str, Any]) -> list[tuple[str, str, str, bool | None]]:
    """What was measured, what is wanted, and whether it is."""
    found: list[tuple[str, str, str, bool | None]] = []
    if "first_s" in result:
        found.append(("first slice picture", f"{result['first_s']:.2f} s", f"≤ {FIRST_S:g} s", result["first_s"] <= FIRST_S))
    delay = result["delay_ms"]
    found.append(
        (
            f"updates/s, the slowest of {len(SHOWN)} clients",
            f"{result['updates_s']:.1f}",
            f"≥ {LEAST_S:g} of {RATE_HZ:g}",
            result["updates_s"] >= LEAST_S,
        )
    )
    told = " / ".join(f"{delay[q]:.0f}" for q in ("p50", "p95", "p99"))
    found.append(("topic to applied state, p50 / p95 / p99", f"{told} ms", f"p99 ≤ {P99_MS:g} ms", delay["p99"] <= P99_MS))
    for key, name in (("heap_growth", "page's memory"), ("server_growth", "server's memory")):
        found.append((f"{name}, growth", f"{result[key]:+.1%}", f"≤ {GROWTH:.0%}", result[key] <= GROWTH))
    found.append(
        ("server's processor time, no page open", f"{result['alone_share']:.1%}", "< 3 % of a core", result["alone_share"] < 0.03)
    )
    found.append((f"server's processor time, {len(SHOWN)} pages", f"{result['open_share']:.1%}", "", None))
    shown = ", ".join(f"{view} {rate:.0f}" for view, rate in result["drawn_s"].items())
    found.append(("pictures/s of each view, the slowest (software)", shown, "", None))
    frame = result["frame_ms"]
    found.append(("frame in the room view, p50 / p95 (software)", f"{frame['p50']:.0f} / {frame['p95']:.0f} ms", "", None))
    return found


def main(argv: list[str] | None = None) -> int:
    """Measure and print; 1 where something misses its limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", type=Path, required=True, help="a planned case folder, whose plan the room plays")
    parser.add_argument("--ct", type=Path, help="CT whose first picture is timed (thoracic_ct)")
    parser.add_argument("--minutes", type=float, default=3.0, help="of the live part (30 for the memory's limit)")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(argv)
    result = measure(given)
    if given.json:
        print(json.dumps(result))
    table = rows(result)
    print(f"{len(SHOWN)} clients show: {', '.join(SHOWN)}; the room speaks {RATE_HZ:g} times a second")
    for name, value, wanted, good in table:
        print(f"{name:<48} {value:>26}   {wanted:<18} {'' if good is None else 'met' if good else 'MISSED'}")
    return 0 if all(good is not False for *_, good in table) else 1


if __name__ == "__main__":
    raise SystemExit(main())
