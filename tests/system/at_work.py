"""An operating room with an operator in it, who brings a procedure to a phase and, after a stop, on again."""

from tests.system.operating_room import OperatingRoom
from tests.system.registration_played import DOSE_ML, PLAN_CT, RegistrationPlayed

TRIES = 3
CEMENT_AGE_S = 240.0
STAGES = ("locate", "plan", "free way", "settle", "advance", "hold")


class Goal:
    """An action's goal that nobody waits for: what stages it went through, and how it ended."""

    def __init__(self, room, client, goal):
        self.stages = []
        room.until(client.server_is_ready, "server")
        sent = client.send_goal_async(goal, feedback_callback=lambda m: self.stages.append(getattr(m.feedback, "stage", "")))
        room.until(sent.done, "goal taken")
        self.handle = sent.result()
        self.future = self.handle.get_result_async() if self.handle.accepted else None

    @property
    def done(self):
        return self.future is None or self.future.done()

    @property
    def running(self):
        return not self.done

    @property
    def code(self):
        """Empty where it was reached."""
        return "rejected" if self.future is None else self.future.result().result.error_code


class AtWork(OperatingRoom):
    """See the module; nothing here but what the supervisor and the nodes let a person do."""

    def __init__(self, environment, folder):
        from pkp_lifecycle import names
        from pkp_msgs import action
        from rclpy.action import ActionClient

        super().__init__(environment, folder)
        self._action = action
        self.registration = RegistrationPlayed(self.node, self.sim.folder, folder)
        self._approach = ActionClient(self.node, action.Approach, names.APPROACH)
        self._inject = ActionClient(self.node, action.Inject, names.INJECT)

    def prepare(self):
        """From the first process up to where it may be registered."""
        from pkp_supervisor.phases import Phase

        self.up()
        self.mixed_at = self.fresh_cement()
        seen, played = self.operator, self.registration
        seen.advance(Phase.INGEST, 30.0)
        played.ct.publish(self.msg.CtReference(source="a test", ct_sha256=PLAN_CT))
        seen.advance(Phase.PLAN)
        played.plans.publish(self.plan)
        seen.advance(Phase.APPROVE)
        seen.approve(self.plan)
        seen.advance(Phase.REGISTER)

    def fresh_cement(self):
        """A new cartridge; when its mixing began."""
        self.wire.tell(batch="high", mixed_ago_s=CEMENT_AGE_S)
        self.wire.answer()
        return self.mixed_ago(CEMENT_AGE_S)

    def mixed_ago(self, seconds):
        from rclpy.duration import Duration

        return (self.clock.now() - Duration(seconds=seconds)).to_msg()

    # the operator

    def to(self, phase):
        """Go on, as an operator would, until the procedure is in this phase with no stop latched."""
        from pkp_simulation.procedure import withdraw
        from pkp_supervisor.phases import Phase

        steps = {
            Phase.REGISTER: lambda: (self.registration.register(), self.operator.advance(Phase.APPROACH)),
            Phase.APPROACH: self._there,
            Phase.VERIFY: self._verified,
            Phase.INSERT: self._inserted,
            Phase.INJECT: lambda: self.operator.advance(Phase.WITHDRAW),
            Phase.WITHDRAW: lambda: (withdraw(self.operator, self.plan, self.side), self.operator.advance(Phase.APPROACH)),
        }
        while self.latched or self.phase is not phase:
            self._through(lambda: None if self.phase is phase else steps[self.phase]())

    def moving(self, stage):
        """An approach that has come to this stage."""
        from pkp_supervisor.phases import Phase

        wanted = STAGES[STAGES.index(stage) :]  # a short one may pass between two words of the arm

        def come():
            self.to(Phase.APPROACH)
            if self.goal is None or self.goal.done:
                self.begin_approach()
            goal = self.goal
            there = lambda: any(seen in wanted for seen in goal.stages) or (stage == "hold" and goal.done)  # noqa: E731
            self.until(lambda: there() or goal.done, f"stage {stage}", 60.0)
            self._sound(goal, there())

        self._through(come)
        return self.goal

    def begin_approach(self):
        self.people.hold_breath(False)
        goal = self._action.Approach.Goal
        self.goal = Goal(self, self._approach, goal(plan=self.plan, side=self.side, epoch=self.operator.epoch, timeout=90.0))

    def begin_withdrawal(self):
        goal = self._action.Approach.Goal
        wanted = goal(purpose=goal.WITHDRAW, plan=self.plan, side=self.side, epoch=self.operator.epoch, timeout=60.0)
        self.goal = Goal(self, self._approach, wanted)
        return self.goal

    def begin_dose(self):
        """The rest of this side's dose, switch open."""
        seen = self.operator
        seen.press(self.side, False)
        goal = self._action.Inject.Goal(plan=self.plan, side=self.side, epoch=seen.epoch, mixed_at=self.mixed_at)
        goal.volume = DOSE_ML * 1e-6
        self.pushing = Goal(self, self._inject, goal)

    def flowing(self):
        """Cement that truly flows under the operator's switch."""
        self._through(self._flow)
        return self.pushing

    def _flow(self):
        from pkp_supervisor.phases import Phase

        self.to(Phase.INJECT)
        if self.pushing is None or self.pushing.done:
            self.begin_dose()
        state = self.msg.InjectorState
        armed = (state.READY, state.INJECTING, state.HOLDING)  # a switch that is closed before counts for nothing
        self.until(lambda: self.operator.injector.state in armed or self.pushing.done, "armed")
        self._sound(self.pushing)
        self.operator.press(self.side, True)
        before = self.truth()["delivered_ml"]
        self.until(lambda: self.truth()["delivered_ml"] > before + 0.02 or self.pushing.done, "flow")
        self._sound(self.pushing)

    def _sound(self, goal, there=True):
        from pkp_simulation.operator import NotDoneError

        if self.latched or not there or (goal.done and goal.code):
            raise NotDoneError(f"it did not come so far: {self.report()}", asked="a goal", refused_code=goal.done and goal.code)

    @property
    def plan(self):
        return self.registration.plan

    @property
    def side(self):
        return self.operator.phase.side

    def _there(self):
        from pkp_supervisor.phases import Phase

        if self.goal is None or self.goal.done:
            self.begin_approach()
        goal = self.goal
        self.operator.wait("the place", lambda: goal.done, 60.0)
        self._sound(goal)
        self.operator.advance(Phase.VERIFY)

    def _verified(self):
        from pkp_supervisor.phases import Phase

        seen = self.operator
        self.people.hold_breath(True)
        seen.until_still(30.0)
        seen.until_verified(self.side, 10.0, seen.now_s())
        seen.advance(Phase.INSERT)

    def _inserted(self):
        from pkp_supervisor.phases import Phase

        self.operator.confirm_insertion(self.plan, self.side)
        self.people.hold_breath(False)
        self.mixed_at = self.fresh_cement()
        self.operator.advance(Phase.INJECT)

    def _through(self, piece):
        """A piece of work, begun anew after stops that nobody asked for: this machine may be busy."""
        from planning_core.errors import PkpError

        for left in reversed(range(TRIES)):
            try:
                if self.latched:
                    self.recover()
                return piece()
            except PkpError:
                if not left:
                    raise
                self.beat(10)
        return None

    def struck(self, bring, make):
        """Bring it to where it is at work, and make a fault there and then; returns what ``bring`` did."""
        while True:
            made = bring()
            self.begin_watch()
            if not self.latched:
                make(self)
                return made

    def recover(self):
        """Acknowledge, check, re-arm; returns the phase that it leads to."""
        from pkp_supervisor.phases import Phase

        seen = self.operator
        seen.acknowledge()
        if seen.stopped_in is not Phase.WITHDRAW and self.registration.stands:  # the way out needs none
            self.registration.check()
            self.until(lambda: not self.latched or seen.safety.registration_checked, "the check")
            self.until(lambda: all(dog.age <= dog.limit for dog in seen.safety.watchdogs), "every node to be heard")
        return seen.rearm(self.plan.plan_hash)
