"""A real CT from its file to the report, through the page: imported, planned, changed and approved, then carried out in the
simulated room of ``./pkp up``, whose team at the table does what the page has no button for. Pictures of each step are kept.

``OPENPKP_CASES`` names a folder where the planned case is kept between runs: planning takes most of a minute.
"""

import os
import re
import shutil
import socket
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from pkp_supervisor.phases import Phase

from benchmarks import chromium
from benchmarks.page import LONG_MS, PIN, child, with_pins
from planning_core.case import audit
from planning_core.case.revisions import kept, newest
from tests.data import VERSE012_CT, VERSE012_MASK, shared_data
from tests.ros2.pkp_console.browser import (
    TABLET,
    grip,
    hold,
    opened_browser,
    signed_in,
    with_path,
)
from tests.ros2.running import ROOT, need_ros, until

pytestmark = [pytest.mark.slow, pytest.mark.browser, pytest.mark.ros]
L1 = 20
STOPS = 8
"""Of its own accord the room stops where a test machine's processors were taken away; an operator leaves that many stops."""
ML, LEAVE_S = "0.3", 120.0
IDLE = "() => !['asked', 'running'].includes(window.now.topics.task?.value.state)"
STILL = """
() => {
  const row = window.now?.frames.patient_ref;
  if (!row || row[8] > 300) return (window.stood = null), false;
  const at = row.slice(1, 4).map((v) => v * 1000), old = window.stood;
  const far = old ? Math.hypot(...at.map((v, i) => v - old.at[i])) : Infinity;
  if (far > 0.4) window.stood = { at, since: performance.now() };
  return performance.now() - window.stood.since > 1500;
}
"""
"""Whether the patient's reference has stood still for a while: what an operator sees on the breath's trace."""


PlaywrightTimeout = pytest.importorskip("playwright.sync_api", reason="needs the extra console-test").TimeoutError


class StoppedError(Exception):
    """The room was stopped while something was awaited."""


@contextmanager
def planning(cases, browser):
    """A page of a console without a room."""
    packages = sorted(p for p in (ROOT / "ros2_ws/src").iterdir() if p.is_dir())
    words = ("pkp_console.command", "--no-ros", "--port", "0", "--cases", str(cases))
    with child(*words, environment=with_path({}, ROOT, *packages), awaits="http://") as (_, line):
        yield signed_in(browser, re.search(r"http://\S+", line)[0], "operator")


def middle_of_l1(mask):
    """A point in the body of L1, as somebody would click it: mm, ct_lps."""
    import SimpleITK as sitk

    image = sitk.ReadImage(str(mask))
    inside = np.argwhere(sitk.GetArrayViewFromImage(image) == L1)[:, ::-1]
    points = np.array([image.TransformContinuousIndexToPhysicalPoint(p.tolist()) for p in inside[::50].astype(float)])
    front = points[points[:, 1] < np.percentile(points[:, 1], 40)]  # a body lies before its arch
    return front.mean(axis=0)


@pytest.fixture(scope="module")
def cases(web, tmp_path_factory, pictures):
    """A case store with verse012 imported, L1 planned, a path moved, kept, and that plan the newest."""
    ct, mask = shared_data(VERSE012_CT), shared_data(VERSE012_MASK)
    folder = Path(os.environ.get("OPENPKP_CASES") or tmp_path_factory.mktemp("procedure") / "cases")
    if not list(folder.glob("*/plans/*.json")):
        with_pins(folder, "operator", "operator")
        with opened_browser(chromium.WHOLE) as browser, planning(folder, browser) as page:
            plan_it(page, ct, middle_of_l1(mask), pictures)
    return folder


def plan_it(page, ct, point, pictures):
    page.set_input_files("input[type=file]", ct)
    page.wait_for_selector(".job.done a")
    page.screenshot(path=pictures / "real_1_imported.png")
    page.click(".job.done a")
    page.wait_for_selector(".stage[data-ready]")
    page.fill(".where", ", ".join(f"{c:.1f}" for c in point))
    page.press(".where", "Enter")
    page.select_option("[name=level]", "L1")
    page.check(".replan .check input")
    page.click(".replan .main")
    page.wait_for_selector(".verdict-card")
    page.wait_for_selector(".stage[data-judge=ready]")
    page.screenshot(path=pictures / "real_2_planned.png")
    first = page.get_attribute(".verdict-card .mono", "title")
    page.click("[data-step=PageDown]")  # half a millimetre less deep
    page.wait_for_selector(".tools .main:enabled")
    page.screenshot(path=pictures / "real_3_moved.png")
    page.click(".tools .main")
    page.wait_for_selector(f".verdict-card .mono:not([title='{first}'])")
    assert page.inner_text(".verdict-card h1") == "L1"
    assert page.locator(".revisions li").count() == 2
    assert page.failures == []


def test_a_real_ct_is_planned_and_a_path_moved_by_hand(cases):
    case = next(p.parents[1] for p in cases.glob("*/plans/*.json"))
    moved, first = newest(case), [p for p in kept(case) if p.plan_hash != newest(case).plan_hash]
    assert [p.level for p in (moved, *first)] == ["L1", "L1"]
    depths = {p.side: p.depth_mm for p in first[0].paths}
    assert any(p.depth_mm < depths[p.side] - 0.2 for p in moved.paths)
    audit.verify(case)


@pytest.fixture
def room(cases, tmp_path):
    """``./pkp up --sim`` with its page, which answers before the last of the nodes is active."""
    need_ros()
    from pkp_console.command import free_port

    store = shutil.copytree(cases, tmp_path / "cases", symlinks=True)
    with_pins(store, "operator", "operator")
    case, port = next(p.parents[1] for p in store.glob("*/plans/*.json")), free_port(0)
    words = ("pkp_bringup.up", "--sim", "--case", str(case), "--cases", str(store), "--port", str(port))
    words = (*words, "--run-folder", str(tmp_path / "runs/one"))
    with child(*words, environment=with_path({}, ROOT, *sys.path), awaits="domain", merged=True):
        until(lambda: answers(port), lambda seconds: None, LONG_MS / 1000)
        yield f"http://127.0.0.1:{port}/"


def answers(port):
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
        return True
    return False


class Surgeon:
    """Whoever decides at the page: does a piece of work, and does it again after a stop, as the panel leads out of it."""

    def __init__(self, page, pictures):
        self.page, self._pictures, self.stops, self._began = page, pictures, [], time.monotonic()

    def picture(self, name):
        print(f"{time.monotonic() - self._began:5.0f} s  {name}", flush=True)
        self.page.screenshot(path=self._pictures / f"real_{name}.png")

    def go(self, view):
        if not self.page.url.endswith(f"#/{view}"):
            self.page.goto(f"{self.page.url.split('#')[0]}#/{view}")

    def now(self, topic, field):
        return self.page.evaluate("([t, f]) => window.now?.topics[t]?.value[f]", [topic, field])

    @property
    def phase(self):
        return Phase(self.now("phase", "phase")).name.lower()

    def wait(self, script, seconds=90):
        """Until it holds on the page; a stop ends the waiting."""
        stopped = "window.now?.topics.safety?.value.stop_latched"
        self.page.wait_for_function(f"() => ({script}) || {stopped}", timeout=seconds * 1000)
        if self.page.evaluate(f"() => !({script}) && {stopped}"):
            raise StoppedError(self.now("safety", "reason"))

    def see(self, selector, seconds=90):
        self.wait(f"document.querySelector({selector!r})", seconds)

    def press(self, key):
        self.click(f"[data-key='{key}']:enabled")

    def click(self, selector):
        """Once it is there; a stop may take it away before the hand is on it."""
        clicked = False
        while not clicked:
            self.see(selector)
            with suppress(PlaywrightTimeout):
                self.page.click(selector, timeout=3000)
                clicked = True

    def on_to(self, phase):
        if self.phase != phase:
            self.press(f"to.{phase}")
            self.wait(f"window.now.topics.phase.value.phase === {int(Phase[phase.upper()])}")

    def until_still(self):
        self.page.evaluate("() => { window.stood = null; }")
        self.wait(f"({STILL})()", 30)

    def through(self, piece, *given):
        while True:
            try:
                return piece(self, *given)
            except StoppedError as stop:
                self.refused(str(stop))
                self.leave()

    def refused(self, why):
        self.stops.append(why)
        assert len(self.stops) <= STOPS, self.stops

    def leave(self):
        """Out of a stop, by what the panel offers; another one may come meanwhile."""
        self.page.mouse.up()
        self.go("align")
        until = time.monotonic() + LEAVE_S
        while self.now("safety", "stop_latched"):
            assert time.monotonic() < until, f"no way out of: {self.now('safety', 'reason')}"
            with suppress(PlaywrightTimeout):
                self.page.click(f"[data-key='{self.way_out()}']:enabled", timeout=3000)
                self.page.wait_for_function(IDLE, timeout=60_000)

    def way_out(self):
        """The step that is next."""
        if not self.now("safety", "acknowledged"):
            return "stopped.acknowledge"
        needed = self.now("registration", "accepted") and self.now("phase", "stopped_in") != int(Phase.WITHDRAW)
        return "stopped.check" if needed and not self.now("safety", "registration_checked") else "stopped.rearm"


def begin(surgeon):
    """From preflight to a plan that is approved."""
    page = surgeon.page
    surgeon.go("align")
    surgeon.on_to("ingest")
    surgeon.press("goal.ingest")
    surgeon.on_to("plan")
    surgeon.press("goal.open_plan")
    surgeon.on_to("approve")
    surgeon.press("goal.approve")
    page.fill("dialog [name=pin]", PIN)
    surgeon.picture("4_approve")
    page.click("dialog .main")
    page.wait_for_selector("dialog", state="detached")


def register(surgeon):
    surgeon.go("align")
    surgeon.on_to("register")
    surgeon.until_still()
    surgeon.press("goal.register")
    surgeon.see(".task.running, .task.asked")
    surgeon.picture("5_registering")
    surgeon.go("report")  # a still page: what reckons the scan has this machine's processors
    surgeon.wait("window.now.topics.task?.value.state === 'done' && window.now.topics.registration?.value.accepted", 180)
    surgeon.go("room")
    surgeon.see(".good-text")
    surgeon.picture("6_registered")
    surgeon.go("align")
    surgeon.on_to("approach")


def position(surgeon, side):
    """Guide on the path, breath held, verified."""
    surgeon.go("align")
    if surgeon.phase == "withdraw":
        surgeon.on_to("approach")
    if surgeon.phase == "approach":
        surgeon.press("goal.approach")
        surgeon.see(".task.running, .task.asked")
        surgeon.see(".task.done", 120)
        surgeon.on_to("verify")
    surgeon.see(".lamp.verified")
    surgeon.until_still()  # the team holds the breath once the guide is in place
    surgeon.see(".lamp.verified")
    surgeon.picture(f"7_{side}_verified")
    surgeon.on_to("insert")


def insert(surgeon, side):
    """The pin is in; after a stop the guide is brought to the path again."""
    if surgeon.phase not in ("insert", "inject"):
        position(surgeon, side)
    if surgeon.phase == "insert":
        surgeon.press("goal.inserted")
        surgeon.on_to("inject")


def arm(surgeon, ml):
    """Arm the injector, again where it was refused: its line may have been quiet for a moment."""
    page, began = surgeon.page, "window.now.topics.task.value.began"
    surgeon.go("inject")
    while not page.locator(".hold:enabled").count():
        surgeon.see(".arming [type=submit]:enabled")
        page.fill(".arming [name=ml]", ml)
        page.fill(".arming [name=mixed]", "4")
        before = page.evaluate(f"() => {began}")
        surgeon.click(".arming [type=submit]:enabled")
        surgeon.wait(f"{began} !== {before} && document.querySelector('.hold:enabled, .task.refused')")
        if page.locator(".task.refused").count():
            surgeon.refused(page.inner_text(".task.refused"))
    surgeon.wait(f"Math.abs(window.now.topics.injector.value.ordered_volume * 1e6 - {ml}) < 1e-6", 10)


def inject(surgeon, side):
    """Hold until it is given; a hand that slips holds anew."""
    arm(surgeon, ML)
    done = "document.querySelector('.figure.state.done')"
    while not surgeon.page.evaluate(f"() => Boolean({done})"):
        surgeon.see(".hold:enabled, .figure.state.done")
        if surgeon.page.locator(".hold:enabled").count():
            grip(surgeon.page)  # a starved page may lose it again before the flow was ever seen
        surgeon.wait(f"{done} || document.querySelector('.hold').getAttribute('aria-pressed') === 'false'")
        surgeon.page.mouse.up()
    surgeon.picture(f"9_{side}_given")


def stop_while_it_flows(surgeon):
    """Space, and it is over until somebody has led out of it."""
    arm(surgeon, ML)
    hold(surgeon.page)
    surgeon.picture("8_flows")
    surgeon.page.keyboard.press("Space")
    surgeon.page.wait_for_selector(".alarm.high")
    surgeon.page.mouse.up()
    surgeon.page.wait_for_selector(".hold:disabled")
    surgeon.picture("8_stopped")
    given = surgeon.now("injector", "delivered_volume")
    surgeon.page.click(".alarm.high button")
    surgeon.leave()
    surgeon.go("inject")
    assert surgeon.phase == "inject"
    assert surgeon.now("injector", "delivered_volume") <= given + 0.05e-6  # a pressed cartridge relaxes; nothing is pushed
    assert surgeon.page.locator(".hold:enabled").count() == 0  # re-arming starts nothing


def withdraw(surgeon):
    surgeon.go("align")
    surgeon.on_to("withdraw")
    surgeon.press("goal.withdraw")
    surgeon.see(".task.running, .task.asked")
    surgeon.see(".task.done")


def test_from_a_file_to_the_report(room, browser, pictures):
    page = signed_in(browser, room, "operator")
    surgeon = Surgeon(page, pictures)
    surgeon.through(begin)
    surgeon.through(register)
    sides = surgeon.page.evaluate("() => window.now.topics.phase.value.plan.sides")
    assert len(sides) == 2
    for side in sides:
        surgeon.through(position, side)
        if side == sides[0]:
            surgeon.through(insert, side)
            surgeon.through(stop_while_it_flows)
            surgeon.through(inject, side)
        surgeon.through(withdraw)  # on the second side nothing is given: out again before a pin goes in
    surgeon.on_to("report")
    page.goto(f"{room}#/report")
    page.click(".runs a")
    page.wait_for_selector(".report table", timeout=LONG_MS)  # the record is long, and still grows
    surgeon.picture("a_report")
    page.set_viewport_size(TABLET)
    surgeon.picture("a_report_tablet")
    print(f"{len(surgeon.stops)} stops of the room's own: {surgeon.stops}")
    assert page.failures == []
