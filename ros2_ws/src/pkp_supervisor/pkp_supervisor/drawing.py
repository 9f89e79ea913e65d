"""The workflow drawn from its table, for docs/workflow.md (a test compares the two)."""

from __future__ import annotations

from pkp_supervisor.phases import INTERLOCKS, LATCHED, Phase
from pkp_supervisor.workflow import TABLE


def mermaid() -> str:
    """A mermaid state diagram: solid steps of the table, stops and where each goes on after a re-arm."""
    lines = ["stateDiagram-v2", "    [*] --> preflight"]
    for here, there, needs in TABLE:
        lines.append(f"    {_name(here)} --> {_name(there)}" + (f": {', '.join(needs)}" if needs else ""))
    lines += [
        "    state any_phase <<choice>>",
        "    any_phase --> stopped: stop, watchdog, lost evidence",
        "    any_phase --> fault: device fault",
    ]
    return "\n".join(lines) + "\n"


def interlock_table() -> str:
    """What each phase allows, needs, and where it goes on after a re-arm, as markdown."""
    lines = ["| phase | motion | flow | must be heard | after re-arm |", "|---|---|---|---|---|"]
    for phase, lock in INTERLOCKS.items():
        if phase in LATCHED:
            continue
        words = (
            "yes" if lock.motion else "–",
            "yes" if lock.flow else "–",
            ", ".join(lock.needs) or "–",
            _name(lock.after_rearm),
        )
        lines.append(f"| {_name(phase)} | {' | '.join(words)} |")
    return "\n".join(lines) + "\n"


def page() -> str:
    """docs/workflow.md."""
    return (
        "# Workflow\n\n"
        "Drawn from the table in `pkp_supervisor/workflow.py`: `python -m pkp_supervisor.drawing > docs/workflow.md`.\n\n"
        f"```mermaid\n{mermaid()}```\n\n"
        "A stop latches and counts up the epoch; goals and commands of an older epoch are void. Re-arm = an operator's\n"
        "acknowledgement of that very stop + a registration check measured since + the same plan hash, with everybody heard\n"
        "whom the phase needs (table below). It starts nothing.\n"
        "Before a registration was accepted there is nothing to check and nothing that may move.\n"
        "The way out is always open: withdraw moves straight back along the tool's own axis by the arm's joints alone (the arm\n"
        "node enforces that), so it needs neither registration nor camera, and a stop in it is left without a check. With the\n"
        "registration lost, or somebody silent or faulty whom the phase needs, there is no going on: a stop in insert or inject\n"
        "is then left into withdraw only, after acknowledgement and with the same plan, and a side whose pin was not confirmed\n"
        "is still to be treated. A tracker that falls silent after the check is waited for as long as the check is fresh.\n"
        "A device's fault is a stop in every phase at the moment it is first said, for it may be an emergency stop. While it is\n"
        "said on it stops again whatever was re-armed, but with the pin in only what needs the device: the arm withdraws with\n"
        "the injector's emergency stop still pressed. Whoever wants to go on injecting releases that before the re-arm.\n"
        "While a pin is confirmed nothing moves but on the way out: a stop in insert is then left into insert, and a step back\n"
        "to verify takes two decisions, insert anew, which says that the pin is out again, and verify.\n\n"
        f"{interlock_table()}"
    )


def _name(phase: Phase) -> str:
    return phase.name.lower()


if __name__ == "__main__":
    print(page(), end="")
