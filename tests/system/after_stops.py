"""How long after a stop was known anything still moved or flowed, from a record's own stamps."""

from pathlib import Path

import attrs

SILENCE_S = 0.2
"""Between two words of a supervisor that speaks 40 times a second: it is gone."""
STEP_S = 1.0
"""Between two messages of topics of which one always speaks 20 times a second: the recorder's clock went elsewhere."""


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
    from pkp_supervisor.record_reader import recorded

    found, span, highest = [], [], -1
    for entry in recorded(record, (names.STATE_COMMAND, names.JOINT_COMMANDS, names.INJECTOR)):
        if span and not -STEP_S < entry.heard_s - span[-1].heard_s < STEP_S:  # the wall clock was stepped
            highest, stops = _of_span(span, highest, permit_s)
            found, span = [*found, *stops], []
        span.append(entry)
    return [*found, *_of_span(span, highest, permit_s)[1]]


def _of_span(span: list, highest: int, permit_s: float) -> tuple[int, list[AfterStop]]:
    """Stops of a time in which the clock ran evenly, and the newest epoch; ``highest``: the newest before it."""
    from pkp_lifecycle import names

    words = [(entry.heard_s, entry.message) for entry in span if entry.topic == names.STATE_COMMAND]
    moved = [entry.heard_s for entry in span if entry.topic == names.JOINT_COMMANDS]
    flowed = [
        min(_seconds(entry.message.header.stamp), entry.heard_s)  # under way as the clock was set back, it is not from the future
        for entry in span
        if entry.topic == names.INJECTOR and entry.message.flow > 0
    ]
    found = []
    for (_, before), (at_s, word) in zip(words, words[1:], strict=False):
        # a busy recorder misses words: it is a silence where the next one was really said so late
        next_said = word.sequence == before.sequence + 1 or word.supervisor != before.supervisor
        said_s = _seconds(before.header.stamp)
        silent = next_said and _seconds(word.header.stamp) - said_s > SILENCE_S
        if silent and (before.motion_permitted or before.flow_permitted):
            known, from_s, until_s = "silence", said_s + permit_s, at_s
        elif word.epoch > max(highest, before.epoch):
            known, from_s = f"stop {word.epoch}", at_s
            until_s = next((s for s, later in words if s > at_s and (later.motion_permitted or later.flow_permitted)), at_s + 60)
        else:
            continue
        highest = max(highest, word.epoch)
        found.append(AfterStop(known, from_s, _last(moved, from_s, until_s), _last(flowed, from_s, until_s)))
    return highest, found


def _last(times: list[float], from_s: float, until_s: float) -> float:
    return max((s - from_s for s in times if from_s < s < until_s), default=0.0)


def _seconds(stamp) -> float:
    return stamp.sec + stamp.nanosec * 1e-9
