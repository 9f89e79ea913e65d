// What the operator may do now: the phase's checklist, what blocks the next, goals for the nodes, and the way out of a stop.

import { ask, get, me, post } from "../api";
import { fill, h } from "../dom";
import { linked, reading, replaying, snapshot } from "../live";
import type { CaseLine } from "../plan";
import { type Workflow, epoch, latched, planInHand, side, workflow } from "../procedure";
import type { Shell } from "../shell";
import { number, t, term } from "../words";
import { approveDialog } from "./revisions";

const METHODS = ["plate", "points", "surface"];
const FOLLOWED = ["asked", "running"];

export class Controls {
  readonly element = h("section", { class: "card controls" });
  private shown = "";
  private flow: Workflow | null = null;
  private cases: CaseLine[] = [];
  private chosen = "";
  private method = METHODS[0];

  constructor(private readonly shell: Shell) {
    void workflow().then((flow) => {
      this.flow = flow;
      this.draw();
    });
    void get<CaseLine[]>("/cases")
      .then((cases) => {
        this.cases = cases;
        this.shown = "";
        this.draw();
      })
      .catch(() => null);
  }

  draw(): void {
    const phase = reading("phase");
    const safety = reading("safety");
    const task = reading("task")?.value;
    const facts = [phase?.value.phase, phase?.value.stopped_in, phase?.value.side, phase?.value.sides_done, phase?.value.waits_for, phase?.value.plan?.plan_hash];
    const more = [safety?.value.stop_latched, safety?.value.acknowledged, safety?.value.registration_checked, safety?.value.reason, safety?.value.epoch];
    const doing = [task?.kind, task?.state, task?.stage, task?.error_msg, Math.round((task?.feedback?.distance_left ?? 0) * 1000)];
    const may = [linked(), snapshot()?.mine, replaying(), Boolean(this.flow), phase?.stale];
    const key = JSON.stringify([facts, more, doing, may, document.documentElement.lang]);
    if (key === this.shown) return;
    if (this.element.contains(document.activeElement) && document.activeElement instanceof HTMLSelectElement) return;
    this.shown = key;
    const focused = (document.activeElement as HTMLElement | null)?.dataset.key;
    fill(this.element, phase && this.flow ? this.content(this.flow, phase.value, safety?.value ?? {}, task) : h("p", { class: "soft" }, t("controls.none")));
    if (focused) this.element.querySelector<HTMLElement>(`[data-key="${focused}"]`)?.focus();
  }

  private get may(): boolean {
    return linked() && !replaying() && !reading("phase")?.stale && me()!.role === "operator" && Boolean(snapshot()?.mine);
  }

  private content(flow: Workflow, phase: Record<string, any>, safety: Record<string, any>, task: Record<string, any> | undefined) {
    const name = flow.phases[phase.phase] ?? "?";
    const busy = FOLLOWED.includes(task?.state);
    return [
      h("h2", null, t("controls.title")),
      h("p", { class: "now" }, h("strong", null, term("phase", name)), phase.side ? ` · ${term("side", phase.side)}` : "", (phase.sides_done as string[]).length ? h("span", { class: "soft small" }, ` · ${t("controls.done", { sides: (phase.sides_done as string[]).map((s) => term("side", s)).join(", ") })}`) : null),
      latched() ? this.stopped(flow, phase, safety, busy) : this.onwards(flow, phase, busy),
      task ? this.doing(task, busy) : null,
      this.may ? null : h("p", { class: "soft small" }, t(replaying() ? "controls.replay" : linked() && !reading("phase")?.stale ? "controls.may_not" : "controls.silent")),
    ];
  }

  private onwards(flow: Workflow, phase: Record<string, any>, busy: boolean) {
    const steps = flow.table.filter((s) => s.from === phase.phase);
    const missing = new Set(phase.waits_for as string[]);
    return [
      this.goals(flow.phases[phase.phase], phase, busy),
      steps.map((s) => {
        const blocked = s.needs.filter((n) => missing.has(n));
        const words = s.to === s.from ? t("goal.out", { side: term("side", side()) }) : t("controls.to", { phase: term("phase", flow.phases[s.to]) });
        return h(
          "div",
          { class: "step-on" },
          h("ul", { class: "needs" }, s.needs.map((n) => h("li", { class: missing.has(n) ? "open" : "met" }, `${missing.has(n) ? "○" : "✓"} ${term("need", n)}`))),
          this.button(`to.${flow.phases[s.to]}`, words, () => post("/room/advance", { to: flow.phases[s.to], epoch: epoch() }), {
            off: blocked.length > 0 || busy,
            main: true,
          }),
        );
      }),
    ];
  }

  private goals(name: string, phase: Record<string, any>, busy: boolean) {
    const at = { epoch: epoch() };
    const here = { side: side(), ...at };
    if (name === "ingest") return this.ofCase("goal.ingest", (c) => post("/room/goals/ingest", { case_id: c.id }), busy, (c) => c.has_ct);
    if (name === "plan") return this.ofCase("goal.open_plan", (c) => post("/room/goals/open_plan", { case_id: c.id, plan_hash: c.plan!.plan_hash }), busy, (c) => Boolean(c.plan));
    if (name === "approve") {
      const hash = phase.plan.plan_hash as string;
      const held = this.cases.find((c) => (phase.plan.case_path as string).endsWith(`/${c.id}`));
      if (!held) return h("p", null, t("goal.elsewhere"));
      const signed = !(phase.waits_for as string[]).includes("plan approved");
      return h(
        "p",
        { class: "row wrap" },
        h("a", { class: "button", href: `#/case/${held.id}` }, t("goal.look_at", { hash: hash.slice(0, 12) })),
        this.button("goal.approve", t("approve.button"), () => this.approve(), { off: busy || signed }),
      );
    }
    if (name === "register") return this.registering(at, busy);
    if (name === "approach") return this.button("goal.approach", t("goal.approach", { side: term("side", side()) }), () => post("/room/goals/approach", here), { off: busy });
    if (name === "withdraw") return this.button("goal.withdraw", t("goal.withdraw"), () => post("/room/goals/withdraw", here), { off: busy });
    if (name === "insert") return this.button("goal.inserted", t("goal.inserted", { side: term("side", side()) }), () => post("/room/confirm_insertion", here), { off: busy });
    if (name === "verify") return h("p", null, h("a", { class: "button", href: "#/align" }, t("goal.look")));
    if (name === "inject") return h("p", null, h("a", { class: "button", href: "#/inject" }, t("goal.inject_view")));
    return null;
  }

  /** With the same words, hash and PIN as beside the plan's pictures. */
  private async approve(): Promise<void> {
    const held = await planInHand();
    if (held?.case_id) approveDialog(this.shell, held.case_id, held.plan, () => undefined);
  }

  private registering(at: { epoch: number }, busy: boolean) {
    const choice = h(
      "select",
      { "aria-label": t("goal.method"), onchange: (e: Event) => void (this.method = (e.target as HTMLSelectElement).value) },
      METHODS.map((m) => h("option", { value: m, selected: m === this.method }, term("method", m))),
    );
    return h("div", { class: "row wrap" }, choice, this.button("goal.register", t("goal.register"), () => post("/room/goals/register", { ...at, method: this.method }), { off: busy }));
  }

  private ofCase(key: string, go: (c: CaseLine) => Promise<unknown>, busy: boolean, fits: (c: CaseLine) => boolean) {
    const fitting = this.cases.filter(fits);
    if (!fitting.some((c) => c.id === this.chosen)) this.chosen = fitting[0]?.id ?? "";
    const choice = h(
      "select",
      { "aria-label": t("goal.case"), onchange: (e: Event) => void (this.chosen = (e.target as HTMLSelectElement).value) },
      fitting.map((c) => h("option", { value: c.id, selected: c.id === this.chosen }, `${c.id} ${c.plan ? `${c.plan.level} ${c.plan.plan_hash.slice(0, 8)}` : ""}`)),
    );
    return h("div", { class: "row wrap" }, choice, this.button(key, t(key), () => go(fitting.find((c) => c.id === this.chosen)!), { off: busy || !fitting.length }));
  }

  /** Three steps out of a stop; none of them starts anything. */
  private stopped(flow: Workflow, phase: Record<string, any>, safety: Record<string, any>, busy: boolean) {
    const at = { epoch: epoch() };
    const registered = Boolean(reading("registration")?.value.accepted);
    return [
      h("p", { class: "problem" }, t("stopped.why", { phase: term("phase", flow.phases[phase.stopped_in] ?? "?"), reason: safety.reason || "?" })),
      h(
        "ol",
        { class: "out" },
        h("li", { class: safety.acknowledged ? "met" : "open" }, this.button("stopped.acknowledge", t("stopped.acknowledge"), () => post("/room/acknowledge", at), { off: Boolean(safety.acknowledged) })),
        registered ? h("li", { class: safety.registration_checked ? "met" : "open" }, this.button("stopped.check", t("stopped.check"), () => post("/room/goals/check", at), { off: busy })) : null,
        h("li", { class: "open" }, this.button("stopped.rearm", t("stopped.rearm"), () => post("/room/rearm", at), { off: busy || !safety.acknowledged, main: true })),
      ),
      h("p", { class: "soft small" }, t("stopped.nothing")),
    ];
  }

  private doing(task: Record<string, any>, busy: boolean) {
    const left = task.feedback?.distance_left;
    const words = [t(`task.${task.kind}`), term("task_state", task.state), task.stage ? term("task_stage", task.stage) : "", busy && left !== undefined ? `${number(left * 1000, 0)} mm` : ""];
    return h(
      "p",
      { class: `task ${task.state}`, role: "status" },
      words.filter(Boolean).join(" · "),
      task.error_msg ? h("span", { class: "problem" }, ` ${task.error_msg}`) : null,
      busy ? this.button("task.cancel", t("task.cancel"), () => ask("DELETE", "/room/goals"), {}) : null,
    );
  }

  private button(key: string, text: string, go: () => Promise<unknown>, how: { off?: boolean; main?: boolean }) {
    return h(
      "button",
      {
        type: "button",
        "data-key": key,
        class: how.main ? "main" : null,
        disabled: how.off || !this.may,
        onclick: (e: Event) => {
          const button = e.currentTarget as HTMLButtonElement;
          button.disabled = true; // one click, one question
          void this.shell.tell(go()).finally(() => {
            this.shown = "";
            this.draw();
          });
        },
      },
      text,
    );
  }
}

