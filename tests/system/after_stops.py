"""How long after a stop was known anything still moved or flowed, from a record's own stamps."""

from pathlib import Path

import attrs

SILENCE_S = 0.2
"""Between two words of a supervisor that speaks 40 times a second: it is gone."""


@attrs.frozen
class AfterStop:
    """One stop: how it was known, and s from then to the last setpoint and the last flow; 0 where there was none after it."""

    known_by: str
    at_s: float
    motion_s: float
    flow_s: float


def after_stops(record: Path, permit_s: float) -> list[AfterStop]:
    """All stops of a record: words of a new epoch, and a silence that outlasts a permit.

    Args:
        permit_s: how long the supervisor's last word holds.
    """
    from pkp_lifecycle import names
    from pkp_msgs.msg import InjectorState
    from pkp_supervisor.record_reader import recorded

    heard = sorted(recorded(record, (names.STATE_COMMAND, names.JOINT_COMMANDS, names.INJECTOR)), key=lambda entry: entry.heard_s)
    words = [(entry.heard_s, entry.message) for entry in heard if entry.topic == names.STATE_COMMAND]
    moved = [entry.heard_s for entry in heard if entry.topic == names.JOINT_COMMANDS]
    flowed = [
        _seconds(entry.message.header.stamp)
        for entry in heard
        if entry.topic == names.INJECTOR and entry.message.state == InjectorState.INJECTING and entry.message.flow > 0
    ]
    found, highest = [], words[0][1].epoch if words else 0
    for (before_s, before), (at_s, word) in zip(words, words[1:], strict=False):
        if at_s - before_s > SILENCE_S and (before.motion_permitted or before.flow_permitted):
            known, from_s, until_s = "silence", before_s + permit_s, at_s
        elif word.epoch > highest:
            known, from_s = f"stop {word.epoch}", at_s
            until_s = next((s for s, later in words if s > at_s and (later.motion_permitted or later.flow_permitted)), at_s + 60)
        else:
            continue
        highest = max(highest, word.epoch)
        found.append(AfterStop(known, from_s, _last(moved, from_s, until_s), _last(flowed, from_s, until_s)))
    return found


def _last(times: list[float], from_s: float, until_s: float) -> float:
    return max((s - from_s for s in times if from_s < s < until_s), default=0.0)


def _seconds(stamp) -> float:
    return stamp.sec + stamp.nanosec * 1e-9
