"""The injection's cycle in a thread of its own, so that the serial line never waits for messages nor they for it. No ROS."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future

import attrs

from pkp_control.injection_config import InjectionConfig
from pkp_control.injection_cycle import InjectionCycle
from pkp_control.injection_gate import InjectionGate, Order
from pkp_control.injection_types import (
    ARMED,
    InjectionFailedError,
    InjectionOrder,
    InjectionRefusedError,
    InjectionState,
    Phase,
    Stop,
)
from pkp_control.injector_registers import InjectorReading
from planning_core.cement.curing import CementClock
from planning_core.devices.injector_map import DeviceState, Fault, Input
from planning_core.errors import PkpError

ASK_AGAIN_S = 0.5


@attrs.frozen
class View:
    """What there is to tell after a cycle. ``order``: of the goal being followed; ``why``: of the stop, in words."""

    state: InjectionState
    reading: InjectorReading | None
    trouble: PkpError | None
    order: Order | None
    why: str
    waits_for_device: bool

    @property
    def faulty(self) -> bool:
        """The device cannot be relied on: its cause is there still, or nobody has taken note yet that it stopped itself."""
        reading = self.reading
        if reading is None or reading.state is not DeviceState.FAULT:
            return False
        stays = bool(reading.inputs & Input.E_STOP_PRESSED or reading.faults & Fault.MEMORY)
        return stays or not self.waits_for_device

    def unhealthy(self, now_s: float, silent_s: float) -> str:
        """Why the node cannot work, empty while it can.

        Args:
            now_s: monotonic. silent_s: without a good reading for longer the device is not heard.
        """
        if isinstance(self.trouble, InjectionFailedError):
            return self.trouble.message
        blind = self.reading is None or now_s - self.reading.acquired_s > silent_s
        return f"injector not heard: {self.trouble}" if blind and self.trouble is not None else ""


@attrs.frozen
class _Arming:
    order: Order
    dose: InjectionOrder
    cement: CementClock
    config: InjectionConfig
    done: Future[None]


class InjectionRunner:
    """Drives one ``InjectionCycle``; every other thread only asks and looks. Whatever fails in it is a stop.

    After a stop it waits until the supervisor has stopped and let go on again, and only then acknowledges to the device; a stop
    that the supervisor does not know of it is asked to make.

    Args:
        ask_stop: told why, until the supervisor has latched.
        clock: monotonic seconds, that of cycle and gate.
    """

    def __init__(
        self, cycle: InjectionCycle, gate: InjectionGate, ask_stop: Callable[[str], None], clock: Callable[[], float]
    ) -> None:
        self._cycle, self._gate, self._ask_stop, self._clock = cycle, gate, ask_stop, clock
        self._wanted: queue.SimpleQueue[_Arming] = queue.SimpleQueue()
        self._ending, self._thread = threading.Event(), threading.Thread(target=self._run, name="injection", daemon=True)
        self._order: Order | None = None
        self._given_up = ""
        self._quiet = False
        self._stop_epoch: int | None = None
        self._tried_s = self._asked_s = -ASK_AGAIN_S
        self.view = self._look("")

    def start(self) -> None:
        """Begin to cycle."""
        self._thread.start()

    def end(self) -> None:
        """Stop the plunger and the thread."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._cycle.state.phase in ARMED:
            self._cycle.halt(Stop.ORDERED)

    def arm(self, order: Order, dose: InjectionOrder, cement: CementClock, config: InjectionConfig) -> Future[None]:
        """Arm device and controller for one side, in the next cycle; the future raises as ``InjectionCycle.arm``."""
        arming = _Arming(order, dose, cement, config, Future())
        self._wanted.put(arming)
        return arming.done

    def give_up(self, why: str) -> None:
        """Stop what is being injected; stays stopped."""
        self._given_up = why

    def _run(self) -> None:
        due = self._clock()
        while not self._ending.is_set():
            try:
                with contextlib.suppress(queue.Empty):
                    self._arm(self._wanted.get_nowait())
                self.view = self._once()
            except Exception as error:  # whatever it was: cement must not go on, and the supervisor must hear of it
                self._fail(error)
            due = max(due + self._cycle.config.cycle_s, self._clock())
            self._ending.wait(max(0.0, due - self._clock()))

    def _arm(self, arming: _Arming) -> None:
        if not arming.done.set_running_or_notify_cancel():
            return
        before = self._cycle.config
        try:
            if not self._gate.permits(arming.order, self._clock()):
                raise InjectionRefusedError("the supervisor no longer permits it", side=arming.order.side)
            self._cycle.config = arming.config
            self._cycle.arm(arming.dose, self._cement(arming.cement))
            self._order, self._given_up, self._quiet, self._stop_epoch = arming.order, "", False, None
            self.view = self._look("")
        except PkpError as error:
            self._cycle.config = before
            arming.done.set_exception(error)
            return
        except Exception as error:  # nobody waits for ever for what has failed
            self._cycle.config = before
            arming.done.set_exception(_failed(error))
            raise
        arming.done.set_result(None)

    def _fail(self, error: Exception) -> None:
        """Stop, say so for as long as it lasts, and go on: a thread that ended would leave a node that looks healthy."""
        failed, self._quiet = _failed(error), False
        with contextlib.suppress(Exception):  # a device that cannot be told stops by its watchdog
            self._cycle.halt(Stop.FAILED)
        self.view = attrs.evolve(self.view, state=self._cycle.state, trouble=failed, why=failed.message)
        with contextlib.suppress(Exception):
            self._after_stop(failed.message, self._clock())

    def _cement(self, fresh: CementClock) -> CementClock:
        """A batch's clock is kept from side to side: the device's own time, where it ran faster, is not forgotten."""
        state = self._cycle.state
        if state.clock is None or abs(state.clock.mixed_s - fresh.mixed_s) > 1.0:
            return fresh
        return attrs.evolve(state.clock, seen_s=state.seen_s)

    def _once(self) -> View:
        now, state, order = self._clock(), self._cycle.state, self._order
        stop, closed, why = None, False, self.view.why
        if state.phase in ARMED:
            if order is None or self._given_up:
                stop, why = Stop.ORDERED, self._given_up or "nobody ordered it"
            elif not self._gate.permits(order, now):
                stop, why = Stop.ORDERED, self._gate.why_not(order, now)
                self._quiet = state.phase in (Phase.READY, Phase.HELD) and self._gate.ended(order, now)
            else:
                closed = self._gate.closed(order, now)
        was = state.phase
        state = self._cycle.cycle(closed, stop)
        reading = self._cycle.reading
        news = None if self._cycle.trouble is not None else reading
        if state.phase not in (*ARMED, Phase.STOPPED) and news is not None and news.state is DeviceState.FAULT:
            self._cycle.halt(Stop.DEVICE_FAULT)
            state = self._cycle.state
        if state.phase is Phase.STOPPED and (was is not Phase.STOPPED or not why):
            reason = state.stop or Stop.ORDERED
            why = why if reason is Stop.ORDERED and stop is not None else _said(reason, reading)
        elif state.phase is not Phase.STOPPED:
            why = ""
        if state.phase is Phase.STOPPED:
            self._after_stop(why, now)
        return self._look(why)

    def _look(self, why: str) -> View:
        epoch = self._stop_epoch
        known = epoch is not None and (self._gate.latched or self._gate.newer(epoch))
        return View(self._cycle.state, self._cycle.reading, self._cycle.trouble, self._order, why, known)

    def _after_stop(self, why: str, now: float) -> None:
        if self._stop_epoch is None:
            self._stop_epoch = self._gate.stop_epoch()
        epoch = self._stop_epoch
        if epoch is None:
            return
        if self._quiet or self._gate.rearmed(epoch, now):
            if now - self._tried_s < ASK_AGAIN_S:
                return
            self._tried_s = now
            with contextlib.suppress(PkpError):  # the cause is there still: it stays stopped and is tried again
                self._cycle.acknowledge(f"supervisor after stop {epoch + 1}" if not self._quiet else "supervisor, side given up")
                self._stop_epoch, self._order, self._quiet, self._tried_s = None, None, False, -ASK_AGAIN_S
        elif not self._gate.latched and not self._gate.newer(epoch) and now - self._asked_s >= ASK_AGAIN_S:
            self._asked_s = now
            self._ask_stop(why)


def _failed(error: Exception) -> InjectionFailedError:
    return InjectionFailedError(f"injection failed: {error!r}")


def _said(reason: Stop, reading: InjectorReading | None) -> str:
    faults = reading.faults if reading is not None and reading.state is DeviceState.FAULT else Fault(0)
    return reason.value + (f" ({faults.name})" if faults else "")
