// Injection: what was given, how fast and under what pressure, the cement's clock, where it may be, and the hold-to-run button.

import { get, me, post } from "../api";
import { Trace } from "../charts";
import { fill, h } from "../dom";
import { HoldButton } from "../hold";
import { clock, linked, listen, reading, replaying, snapshot } from "../live";
import type { Plan } from "../plan";
import { epoch, latched, pathOf, planInHand, side } from "../procedure";
import { SpreadScene } from "../room/spread";
import type { Shell } from "../shell";
import { number, t, term } from "../words";
import { Controls } from "./controls";

const STATES = ["idle", "injecting", "holding", "done", "stopped", "fault", "ready"];
const HOLDABLE = [1, 2, 6];
const INJECT = 8;
const SECONDS = 120;
const CURVE_S = 0.1;
const ML = 1e6;
const KPA = 1e-3;
const SHAPES: [string, string, number][] = [["body", "#d9cdb4", 0.3], ["defect", "#ff8a80", 0.18]];

export function injectPage(shell: Shell): () => void {
  const numbers = h("div", { class: "numbers wide" });
  const clockBox = h("section", { class: "card cement" });
  const spreadBox = h("div", { class: "spread" });
  const [volume, pressure, flow] = [0, 1, 2].map(() => h("div", { class: "trace" }));
  const controls = new Controls(shell);
  const arming = new Arming(shell);
  const button = new HoldButton(() => (holdable() ? { side: side(), epoch: epoch() } : null));
  const hint = h("p", { class: "hold-hint", role: "status" });
  fill(
    shell.main,
    h(
      "div",
      { class: "plan" },
      h(
        "div",
        { class: "inject" },
        numbers,
        h(
          "div",
          { class: "inject-mid" },
          h("div", { class: "curves" }, h("section", { class: "card" }, h("h2", null, t("inject.volume")), volume), h("section", { class: "card" }, h("h2", null, t("inject.pressure")), pressure), h("section", { class: "card" }, h("h2", null, t("inject.flow")), flow)),
          h("section", { class: "card spread-card" }, h("h2", null, t("inject.spread")), spreadBox, h("p", { class: "soft small" }, t("inject.spread_note"))),
        ),
      ),
      h("aside", { class: "side" }, h("section", { class: "card hold-card" }, button.element, hint), clockBox, arming.element, controls.element),
    ),
  );
  const traces = {
    volume: new Trace(volume, SECONDS, "ml", [[t("inject.volume"), "#6fd3ff"]], [0, 3]),
    pressure: new Trace(pressure, SECONDS, "kPa", [[t("inject.pressure"), "#4ade80"]], [0, 3300]),
    flow: new Trace(flow, SECONDS, "ml/min", [[t("inject.flow"), "#c4b5fd"]], [0, 5]),
  };
  const spread = new SpreadScene(spreadBox, t("inject.spread"));
  let plan: Plan | null = null;
  let drawnPlan = "";
  let last = -1;
  const look = async (): Promise<void> => {
    const held = await planInHand();
    plan = held?.plan ?? null;
    if (!held || held.plan.plan_hash === drawnPlan) return;
    drawnPlan = held.plan.plan_hash;
    spread.paths([...new Set(held.plan.paths.map((p) => p.side))].map((s) => pathOf(held.plan, s)!));
    if (!held.case_id) return;
    const facts = await get<{ surfaces: string[] }>(`/cases/${held.case_id}`).catch(() => ({ surfaces: [] as string[] }));
    for (const [kind, colour, opacity] of SHAPES) {
      const name = `${held.plan.level}_${kind}`;
      if (facts.surfaces.includes(name)) void spread.surface(`/api/cases/${held.case_id}/surfaces/${name}`, colour, opacity);
    }
  };
  const given: Record<string, number> = {};
  const unlisten = listen(() => {
    void look();
    const heard = reading("injector");
    const limits = reading("limits")?.value;
    const v = heard && !heard.stale ? heard.value : null;
    drawNumbers(numbers, v, plan);
    drawClock(clockBox, heard?.value ?? null, Boolean(v), limits);
    if (v?.side) {
      given[v.side] = v.delivered_volume * ML;
      spread.given(v.side, given[v.side]);
    }
    if (limits)
      traces.pressure.bands = [
        { from: limits.ease_kpa, to: limits.stop_kpa, colour: "rgba(251,191,36,0.28)" },
        { from: limits.stop_kpa, to: 1e6, colour: "rgba(255,80,80,0.35)" },
      ];
    const dose = (v?.ordered_volume ?? 0) * ML;
    traces.volume.bands = dose > 0 ? [{ from: dose, to: 1e6, colour: "rgba(255,80,80,0.3)" }] : [];
    if (limits) traces.flow.bands = [{ from: limits.flow_ml_min * 1.05, to: 1e6, colour: "rgba(255,80,80,0.3)" }];
    if (clock() - last >= CURVE_S || clock() < last) {
      last = clock();
      traces.volume.push([v ? v.delivered_volume * ML : null]);
      traces.pressure.push([v ? v.pressure * KPA : null]);
      traces.flow.push([v ? v.flow * ML * 60 : null]);
    }
    button.element.disabled = !holdable();
    drawHold(button, hint);
    arming.draw(plan);
    controls.draw();
  });
  return () => {
    unlisten();
    button.destroy();
    spread.destroy();
    Object.values(traces).forEach((trace) => trace.destroy());
  };
}

/** Whether pressing could mean anything: the operator, an armed injector, no stop, and fresh news of all that. */
function holdable(): boolean {
  const v = reading("injector");
  const phase = reading("phase");
  const mine = me()!.role === "operator" && Boolean(snapshot()?.mine);
  return mine && linked() && !replaying() && !latched() && phase?.value.phase === INJECT && Boolean(v && !v.stale && HOLDABLE.includes(v.value.state) && v.value.side === side());
}

function drawHold(button: HoldButton, hint: HTMLElement): void {
  const ready = !button.element.disabled;
  const word = !linked() ? "nolink" : !ready ? "off" : button.held ? (snapshot()?.holding ? "held" : "pressing") : button.why;
  const held = ready && button.held;
  const key = `${word} ${held} ${document.documentElement.lang}`;
  if (hint.dataset.shown === key) return;
  hint.dataset.shown = key;
  fill(button.element, h("strong", null, t(held ? "hold.held" : "hold.button")), h("small", null, t("hold.keys")));
  hint.textContent = t(`hold.${word}`);
}

function drawNumbers(box: HTMLElement, v: Record<string, any> | null, plan: Plan | null): void {
  const rows: [string, string, string][] = [
    [t("inject.given"), v ? number(v.delivered_volume * ML, 2) : "–", t("inject.of", { ml: v && v.ordered_volume > 0 ? number(v.ordered_volume * ML, 2) : "–" })],
    [t("inject.total"), v ? number(v.total_volume * ML, 2) : "–", plan ? t("inject.planned", { ml: number(plan.recommended_ml, 2) }) : "ml"],
    [t("inject.flow"), v ? number(v.flow * ML * 60, 1) : "–", "ml/min"],
    [t("inject.pressure"), v ? number(v.pressure * KPA, 0) : "–", "kPa"],
  ];
  const state = v ? STATES[v.state] : "silent";
  const key = JSON.stringify([rows, state, v?.side, document.documentElement.lang]);
  if (box.dataset.shown === key) return;
  box.dataset.shown = key;
  box.classList.toggle("stale", !v);
  fill(
    box,
    h("div", { class: `figure state ${state}` }, h("span", { class: "soft" }, v?.side ? term("side", v.side) : t("inject.state")), h("span", { class: "big" }, t(`injector.${state}`)), v?.error_msg ? h("span", { class: "problem small" }, v.error_msg) : null),
    rows.map(([name, value, unit]) => h("div", { class: "figure" }, h("span", { class: "soft" }, name), h("span", { class: "huge num" }, value, h("small", null, ` ${unit}`)))),
  );
}

/** Age of the cement against the window in which it may be moved. */
function drawClock(box: HTMLElement, v: Record<string, any> | null, fresh: boolean, limits: Record<string, any> | undefined): void {
  const age = v?.cement_age ?? 0;
  const mixed = age > 0 && limits;
  const word = !mixed ? "none" : age < limits.opens_s ? "early" : age < limits.closes_s ? "open" : "over";
  const minutes = (s: number): string => `${Math.floor(s / 60)}:${String(Math.floor(s % 60)).padStart(2, "0")}`;
  const key = JSON.stringify([Math.floor(age), word, fresh, limits, document.documentElement.lang]);
  if (box.dataset.shown === key) return;
  box.dataset.shown = key;
  const left = mixed ? Math.max(0, limits.closes_s - age) : 0;
  const share = (s: number): number => Math.min(100, (100 * s) / limits!.sets_s);
  fill(
    box,
    h("h2", null, t("cement.title")),
    h("div", { class: `row ${fresh ? "" : "stale"}` }, h("span", { class: "huge num" }, mixed ? minutes(age) : "–"), h("span", { class: `grow ${word === "over" ? "problem" : "soft"}` }, t(`cement.${word}`, { left: minutes(left) }))),
    mixed ? bar(share(age), share(limits.opens_s), share(limits.closes_s)) : null,
    v ? h("p", { class: "soft small" }, t("cement.facts", { celsius: number(v.temperature - 273.15, 1), pas: number(v.viscosity, 0), product: limits?.product || "–" })) : null,
  );
}

function bar(now: number, opens: number, closes: number): SVGElement {
  const ns = "http://www.w3.org/2000/svg";
  const root = document.createElementNS(ns, "svg");
  root.setAttribute("viewBox", "0 0 100 6");
  root.setAttribute("preserveAspectRatio", "none");
  root.setAttribute("class", "window");
  for (const [x, w, fill] of [[0, opens, "#2c3a47"], [opens, closes - opens, "#14532d"], [closes, 100 - closes, "#5a1119"], [Math.max(0, now - 0.4), 0.8, "#ffffff"]] as const) {
    const rect = document.createElementNS(ns, "rect");
    for (const [name, value] of [["x", x], ["y", 0], ["width", Math.max(0, w)], ["height", 6], ["fill", fill]] as const) rect.setAttribute(name, String(value));
    root.append(rect);
  }
  return root;
}

/** Volume for this side and when the cement was mixed: arms the injector; nothing flows by that. */
class Arming {
  readonly element = h("form", { class: "card arming" });
  private shown = "";
  private mixedAt = 0;

  constructor(private readonly shell: Shell) {
    this.element.addEventListener("submit", (e) => {
      e.preventDefault();
      void this.arm();
    });
  }

  draw(plan: Plan | null): void {
    const phase = reading("phase")?.value;
    const doses = plan ? [...new Set(plan.paths.map((p) => p.side))].length : 1;
    const task = reading("task")?.value;
    const busy = ["asked", "running"].includes(task?.state);
    const may = phase?.phase === INJECT && !latched() && me()!.role === "operator" && Boolean(snapshot()?.mine) && !replaying() && !busy;
    const key = JSON.stringify([phase?.phase === INJECT, side(), plan?.plan_hash, document.documentElement.lang]);
    if (key !== this.shown) {
      this.shown = key;
      const share = plan ? number(plan.recommended_ml / doses, 2) : "";
      fill(
        this.element,
        h("h2", null, t("arm.title")),
        phase?.phase !== INJECT
          ? h("p", { class: "soft" }, t("arm.not_now"))
          : [
              h("label", null, t("arm.volume", { side: term("side", side()) }), h("input", { name: "ml", type: "number", min: 0.1, max: 8, step: 0.01, required: true, value: share })),
              h("div", { class: "row wrap" }, h("label", null, t("arm.mixed"), h("input", { name: "mixed", type: "number", min: 0, max: 60, step: 0.1, required: true, value: "4" })), h("button", { type: "button", onclick: () => this.mixedNow() }, t("arm.mixed_now"))),
              h("button", { type: "submit", class: "main" }, t("arm.go")),
              h("p", { class: "soft small" }, t("arm.note")),
            ],
      );
    }
    const submit = this.element.querySelector<HTMLButtonElement>("[type=submit]");
    if (submit) submit.disabled = !may;
    const mixed = this.element.querySelector<HTMLInputElement>("[name=mixed]");
    if (mixed && this.mixedAt && document.activeElement !== mixed) mixed.value = ((Date.now() - this.mixedAt) / 60000).toFixed(1);
  }

  private mixedNow(): void {
    this.mixedAt = Date.now();
  }

  private async arm(): Promise<void> {
    const data = new FormData(this.element);
    const body = { side: side(), epoch: epoch(), volume_ml: Number(data.get("ml")), mixed_ago_s: Number(data.get("mixed")) * 60 };
    await this.shell.tell(post("/room/goals/inject", body));
  }
}
