"""How faults are made in an operating room at run time and ended again, and which stop each must lead to."""

import resource

import attrs


@attrs.frozen
class Fault:
    """How it is made and ended, and why (a pattern) the procedure then stops.

    Args:
        stage: of the approach that it strikes. counted: the injector's counter can be read meanwhile.
    """

    name: str
    make: object
    end: object
    reason: str
    stage: str = "advance"
    counted: bool = True

    @property
    def mended_before_known(self):
        """Whoever is cut off says what it found only when it is back."""
        return "cut off" in self.name


def camera(line):
    return lambda room: room.tracker.send(line)


def person(**asked):
    return lambda room: room.people.ask(**asked)


def arm_fault(fault, amount=None):
    return person(do="arm", fault=fault, amount=amount)


def released(room):
    """The release on the pendant, which a restarted controller answers after some seconds."""
    from hardware_sim.room.control import RoomRequestError

    def unlocked():
        try:
            return bool(room.people.ask(do="unlock"))
        except RoomRequestError:
            return False

    room.until(unlocked, "the arm's release")


def injector(**told):
    def tell(room):
        room.wire.tell(**told)
        room.wire.answer()

    return tell


def trouble(word, value):
    return injector(trouble=word, value=value)


def suspended(name, on=True):
    return lambda room: room.suspend(name, on)


def disk_full(name, spare):
    """From ``spare`` bytes beyond its audit chain on, what a process writes fails, as on a disk that is full; None ends it."""

    def limit(room):
        pid, kind = room.process(name).pid, resource.RLIMIT_FSIZE
        _, hard = resource.prlimit(pid, kind)
        size = (room.folder / "audit.jsonl").stat().st_size if spare else 1
        resource.prlimit(pid, kind, (hard if spare is None else size + spare, hard))

    return limit


LOST = r"not heard|no good pose|not seen|equal poses|jumped"
BEHIND = r"arm: .*(off its way|behind its setpoint|does not come to the end)"
CALIBRATION = LOST + "|calibration"
UNREAD = r"injector: no good reading"
SILENT = r"arm: the supervisor was last heard"
PRESSED = r"injector: (no flow|pressure|the injector)"
WHILE_MOVING = [
    Fault("tracker freezes with fresh stamps", camera("freeze on"), camera("clear"), LOST),
    Fault("tracker loses the patient", camera("dropout patient_ref on"), camera("clear"), LOST),
    Fault("patient's tool jumps 5 mm", camera("jump patient_ref 0 3 4"), camera("clear"), LOST),
    Fault("tracker swaps tool ids", camera("swap patient_ref robot_ref"), camera("clear"), LOST),
    Fault("tracker's line is cut", camera("cut on"), camera("clear"), LOST),
    Fault("arm stops itself", arm_fault("protective_stop"), released, BEHIND, "free way"),
    Fault("joints lag", arm_fault("joint_lag"), arm_fault("joint_lag", 0.01), BEHIND, "free way"),
    Fault("arm's controller restarts", arm_fault("controller_restart"), released, BEHIND, "free way"),
    Fault("arm's calibration is wrong", arm_fault("wrong_calibration"), arm_fault("wrong_calibration", -0.02), CALIBRATION),
    Fault("tracker node cut off", suspended("tracker"), suspended("tracker", on=False), LOST),
    Fault("arm node cut off", suspended("arm"), suspended("arm", on=False), r"watchdog: arm not heard", "free way"),
    Fault("supervisor cut off on the way", suspended("supervisor"), suspended("supervisor", on=False), SILENT, "free way"),
]
WHILE_FLOWING = [
    Fault("injector's line is cut", injector(line="cut"), injector(line="up"), UNREAD, counted=False),
    Fault("injector does not answer", injector(line="silent"), injector(line="up"), UNREAD, counted=False),
    Fault("cannula blocked", trouble("blocked", 1), trouble("blocked", 0), PRESSED),
    Fault("pressure spike", trouble("gauge_kpa", 4000), trouble("gauge_kpa", 0), PRESSED),
    Fault("emergency stop at the injector", trouble("e_stop", 1), trouble("e_stop", 0), r"injector: emergency stop"),
    Fault("injector node cut off", suspended("injector"), suspended("injector", on=False), r"watchdog: injector not heard"),
    Fault("injector's disk is full", disk_full("injector", 0), disk_full("injector", None), r"injector: the record cannot"),
    Fault("supervisor cut off", suspended("supervisor"), suspended("supervisor", on=False), r"injector: the supervisor was"),
]
