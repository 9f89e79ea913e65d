"""Faults switched on and off while the device runs, one line of text each.

======================== ==================================================================================
freeze on|off            frame numbers run on, the poses of all tools stay as they are, to the last bit
halt on|off              frame numbers stand still too
pause S                  frame numbers stand still for S seconds, then run on from there: they stay S seconds behind
dropout TOOL on|off      the tool is not seen
jump TOOL DX DY DZ       its spheres are measured this far off, mm, until ``jump TOOL 0 0 0``
swap TOOL TOOL           the two tools are taken for one another; again swaps back
ghost TOOL MM|off        a reflection takes the place of the tool's first sphere, MM to the side
stray X Y Z | stray off  a reflection at this place of the tracker frame, mm
mute on|off              the device hears but does not answer
status HEX               the bits of the system status in every reply, four digits at most; ``status 0``: none
corrupt N                the next N replies leave with one bit turned
cut on|off               the cable is out: the serial line is gone, and back under the same name
clear                    none of these
======================== ==================================================================================
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection

import attrs
import numpy as np

from hardware_sim.tracker.measurement import MarkerView, Observation
from planning_core.errors import InputError
from planning_core.geometry.arrays import frozen

LONGEST_FAULT_LINE = 200


class FaultCommandError(InputError):
    """A line that names no fault. Carries ``line``."""

    code = "tracker_fault_command"


@attrs.frozen
class Faults:
    """What is wrong with the device at the moment; a new value for every change."""

    frozen: bool = False
    halted: bool = False
    paused_s: float = 0.0
    muted: bool = False
    cut: bool = False
    system_status: int = 0
    corrupt_replies: int = 0
    dropped: frozenset[str] = frozenset()
    jumps_mm: tuple[tuple[str, tuple[float, float, float]], ...] = ()
    swapped: frozenset[str] = frozenset()
    ghosts_mm: tuple[tuple[str, float], ...] = ()
    strays_mm: tuple[tuple[float, float, float], ...] = ()

    def disturb(self, observation: Observation) -> Observation:
        """The observation with dropouts, jumps, ghosts and strays in it."""
        views = {name: self._disturbed(name, view) for name, view in observation.tools.items()}
        strays = np.concatenate([observation.strays_mm, np.array(self.strays_mm, dtype=np.float64).reshape(-1, 3)])
        return attrs.evolve(observation, tools=views, strays_mm=frozen(strays))

    def _disturbed(self, name: str, view: MarkerView) -> MarkerView:
        points, seen = view.points_mm.copy(), view.seen
        points += np.array(dict(self.jumps_mm).get(name, (0.0, 0.0, 0.0)))
        points[0, 0] += dict(self.ghosts_mm).get(name, 0.0)
        if name in self.dropped:
            seen = np.zeros_like(seen)
        return attrs.evolve(view, points_mm=frozen(points), seen=frozen(seen, np.bool_))


def apply_line(faults: Faults, line: str, tools: Collection[str]) -> Faults:
    """The faults after one control line.

    Raises:
        FaultCommandError: no such fault, wrong number of words, an unknown tool, or a number that is not finite.
    """
    words = line.split()
    if len(line) > LONGEST_FAULT_LINE or not words or words[0] not in _VERBS:
        raise FaultCommandError(f"no fault {line[:40]!r}; known: {', '.join(_VERBS)}", line=line[:LONGEST_FAULT_LINE])
    try:
        return _VERBS[words[0]](faults, words[1:], tools)
    except (ValueError, IndexError) as wrong:
        raise FaultCommandError(f"{line!r}: {wrong}", line=line) from wrong


_Verb = Callable[[Faults, list[str], Collection[str]], Faults]


def _switch(words: list[str]) -> bool:
    if words not in (["on"], ["off"]):
        raise ValueError("on or off expected")
    return words == ["on"]


def _known(name: str, tools: Collection[str]) -> str:
    if name not in tools:
        raise ValueError(f"no tool {name}; there are {', '.join(sorted(tools))}")
    return name


def _number(word: str) -> float:
    value = float(word)
    if not math.isfinite(value) or abs(value) > 1e4:
        raise ValueError(f"{word} is not a length up to 10 m")
    return value


def _vector(words: list[str]) -> tuple[float, float, float]:
    x, y, z = (_number(word) for word in words)
    return x, y, z


def _dropout(faults: Faults, words: list[str], tools: Collection[str]) -> Faults:
    name = {_known(words[0], tools)}
    return attrs.evolve(faults, dropped=faults.dropped | name if _switch(words[1:]) else faults.dropped - name)


def _jump(faults: Faults, words: list[str], tools: Collection[str]) -> Faults:
    jumps = {**dict(faults.jumps_mm), _known(words[0], tools): _vector(words[1:])}
    return attrs.evolve(faults, jumps_mm=tuple(jumps.items()))


def _swap(faults: Faults, words: list[str], tools: Collection[str]) -> Faults:
    pair = frozenset(_known(word, tools) for word in words)
    if len(words) != 2 or len(pair) != 2:
        raise ValueError("two different tools expected")
    return attrs.evolve(faults, swapped=frozenset() if faults.swapped == pair else pair)


def _ghost(faults: Faults, words: list[str], tools: Collection[str]) -> Faults:
    name, size = words
    ghosts = {**dict(faults.ghosts_mm), _known(name, tools): 0.0 if size == "off" else _number(size)}
    return attrs.evolve(faults, ghosts_mm=tuple(ghosts.items()))


def _stray(faults: Faults, words: list[str], _: Collection[str]) -> Faults:
    return attrs.evolve(faults, strays_mm=() if words == ["off"] else (*faults.strays_mm[:19], _vector(words)))


def _pause(faults: Faults, words: list[str], _: Collection[str]) -> Faults:
    (seconds,) = map(float, words)
    if not 0.0 <= seconds <= 60.0:
        raise ValueError("0 to 60 seconds")
    return attrs.evolve(faults, paused_s=faults.paused_s + seconds)


def _status(faults: Faults, words: list[str], _: Collection[str]) -> Faults:
    (digits,) = words
    bits = int(digits, 16)
    if not 0 <= bits <= 0xFFFF:
        raise ValueError("0 to FFFF")
    return attrs.evolve(faults, system_status=bits)


def _corrupt(faults: Faults, words: list[str], _: Collection[str]) -> Faults:
    count = int(words[0])
    if not 0 <= count <= 10**6:
        raise ValueError("0 to 1000000 replies")
    return attrs.evolve(faults, corrupt_replies=count)


_VERBS: dict[str, _Verb] = {
    "freeze": lambda faults, words, _: attrs.evolve(faults, frozen=_switch(words)),
    "halt": lambda faults, words, _: attrs.evolve(faults, halted=_switch(words)),
    "pause": _pause,
    "mute": lambda faults, words, _: attrs.evolve(faults, muted=_switch(words)),
    "cut": lambda faults, words, _: attrs.evolve(faults, cut=_switch(words)),
    "dropout": _dropout,
    "jump": _jump,
    "swap": _swap,
    "ghost": _ghost,
    "stray": _stray,
    "status": _status,
    "corrupt": _corrupt,
    "clear": lambda faults, words, tools: Faults(),
}
