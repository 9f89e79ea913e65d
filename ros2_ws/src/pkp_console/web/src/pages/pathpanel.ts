// The list of paths and the chosen one: its numbers, how to move it, what speaks against it.

import { fill, h } from "../dom";
import { type PathRecord, type Plan, nameOf, nearness } from "../plan";
import { type Point, plus } from "../space";
import { number, refusal, t, term } from "../words";
import type { End, Moving } from "./moving";

const STEP_MM = 0.5;
const LONG_STEP_MM = 2;
/** Key → direction in LPS: what the arrow points to as the operator sees the patient from behind, page keys along the path's depth. */
const KEYS: Record<string, Point> = { ArrowLeft: [-1, 0, 0], ArrowRight: [1, 0, 0], ArrowUp: [0, 0, 1], ArrowDown: [0, 0, -1], PageUp: [0, -1, 0], PageDown: [0, 1, 0] };
const BUTTONS: [string, string, string][] = [["dir.left", "L", "ArrowRight"], ["dir.right", "R", "ArrowLeft"], ["dir.up", "S", "ArrowUp"], ["dir.down", "I", "ArrowDown"], ["dir.front", "A", "PageUp"], ["dir.back", "P", "PageDown"]];

export interface Hands {
  choose: (path: PathRecord) => void;
  keep: () => void;
  approve: (() => void) | null;
  /** Have the path check made ready; null where it is, or is under way. */
  prepare: (() => void) | null;
  mayMove: boolean;
  judge: "none" | "preparing" | "ready";
}

export class PathPanel {
  readonly list = h("section", { class: "card paths" });
  readonly detail = h("section", { class: "card detail" });
  private end: End = "target";

  drawList(plan: Plan, chosen: Moving | null, hands: Hands): void {
    const wanted = plan.configuration.trajectory.wanted_clearance_mm;
    fill(
      this.list,
      h("h2", null, t("paths.title")),
      h(
        "div",
        { role: "radiogroup", "aria-label": t("paths.title") },
        plan.paths.map((p) => {
          const mine = chosen?.path === p;
          return h(
            "label",
            { class: `path${mine ? " chosen" : ""}` },
            h("input", { type: "radio", name: "path", value: nameOf(p), checked: mine, onchange: () => hands.choose(p) }),
            h("span", { class: `dot ${nearness(p.clearance_mm, wanted)}` }),
            h("span", { class: "grow" }, `${term("side", p.side)} · ${term("kind", p.kind)}`),
            h("span", { class: "num" }, t("paths.grade", { g: p.grade })),
            h("span", { class: "num", title: t("paths.clearance") }, `${number(p.clearance_mm)} mm`),
            h("span", { class: "num", title: t("paths.breach") }, `${number(100 * p.p_breach)} %`),
          );
        }),
      ),
      plan.refused_paths.length ? h("details", null, h("summary", null, `${plan.refused_paths.length} ×`), h("ul", null, plan.refused_paths.map((r) => h("li", null, r)))) : null,
    );
  }

  drawDetail(plan: Plan, moving: Moving | null, hands: Hands): void {
    if (!moving) return fill(this.detail);
    const focus = (document.activeElement as HTMLElement | null)?.dataset?.step;
    const sealed = moving.path;
    const now = moving.shown;
    const wanted = plan.configuration.trajectory.wanted_clearance_mm;
    const changed = moving.moved;
    const broken = changed && (moving.refused !== null || (moving.judged?.objections.length ?? 0) > 0);
    const row = (name: string, of: (p: PathRecord) => number | null, unit: string, digits = 1) => {
      const value = now ? of(now) : null;
      return h("tr", null, h("th", { scope: "row" }, name), h("td", { class: "num" }, value === null ? "–" : `${number(value, digits)}${unit}`), changed ? h("td", { class: "num soft" }, `${number(of(sealed), digits)}${unit}`) : null);
    };
    fill(
      this.detail,
      h(
        "div",
        { class: `readout ${now && !broken ? nearness(now.clearance_mm, wanted) : "none"}` },
        this.big(t("paths.clearance"), now ? number(now.clearance_mm) : "–", "mm"),
        this.big(t("paths.breach"), now ? number(100 * now.p_breach) : "–", "%"),
        this.big("Gertzbein–Robbins", now?.grade ?? "–", ""),
      ),
      this.against(moving),
      h(
        "table",
        { class: "margins" },
        h(
          "tbody",
          null,
          (["medial", "lateral", "cranial", "caudal"] as const).map((m) => row(t(`margin.${m}`), (p) => p.margins_mm[m], " mm")),
          row(t("margin.canal"), (p) => p.canal_mm, " mm"),
          row(t("margin.tip"), (p) => p.tip_margin_mm, " mm"),
          row(t("paths.depth"), (p) => p.depth_mm, " mm", 0),
          row(t("margin.convergence"), (p) => p.convergence_deg, "°"),
          row(t("margin.sagittal"), (p) => p.sagittal_deg, "°"),
          row(t("margin.skin"), (p) => p.skin_mm, " mm", 0),
        ),
      ),
      (now?.warnings ?? []).length ? h("ul", { class: "small" }, now!.warnings.map((w) => h("li", null, w))) : null,
      this.tools(moving, hands),
    );
    if (focus) this.detail.querySelector<HTMLElement>(`[data-step="${focus}"]`)?.focus();
  }

  private big(name: string, value: string, unit: string): HTMLElement {
    return h("div", null, h("span", { class: "big num" }, value, unit ? h("small", null, ` ${unit}`) : null), h("span", { class: "soft small" }, name));
  }

  private against(moving: Moving): HTMLElement | null {
    const said = moving.refused ? [refusal(moving.refused)] : (moving.judged?.objections ?? []);
    if (!moving.moved || !said.length) return null;
    return h("div", { class: "problem", role: "alert" }, h("strong", null, t("move.broken")), h("ul", null, said.map((s) => h("li", null, s))));
  }

  private tools(moving: Moving, hands: Hands): HTMLElement | null {
    const title = h("h2", null, t("move.title"));
    if (!hands.mayMove) return h("div", null, title, h("p", { class: "soft small" }, t("move.role")));
    if (moving.path.kind === "curved") return h("div", null, title, h("p", { class: "soft small" }, t("move.curved")));
    const step = (key: string, long: boolean) => moving.put(this.end, plus(moving[this.end], KEYS[key], long ? LONG_STEP_MM : STEP_MM));
    const ready = moving.ready;
    return h(
      "div",
      {
        class: "tools",
        onkeydown: (e: KeyboardEvent) => {
          if (!KEYS[e.key] || !ready || (e.target as HTMLElement).matches("input")) return;
          e.preventDefault();
          step(e.key, e.shiftKey);
        },
      },
      h(
        "div",
        { class: "row" },
        title,
        h("span", { class: "grow" }),
        h("span", { class: "soft small", role: "status" }, !ready ? (hands.judge === "preparing" ? t("move.preparing") : "") : moving.ms === null ? t("move.ready") : t("move.latency", { ms: Math.round(moving.ms) })),
      ),
      h(
        "div",
        { class: "row wrap" },
        (["entry", "target"] as End[]).map((end) =>
          h("button", { type: "button", "data-step": end, "aria-pressed": String(this.end === end), onclick: (e: Event) => ((this.end = end), this.press(e.currentTarget as HTMLElement)) }, t(`move.${end}`)),
        ),
        BUTTONS.map(([name, letter, key]) => h("button", { type: "button", class: "step", disabled: !ready, "data-step": key, "aria-label": t(name), title: t(name), onclick: (e: MouseEvent) => step(key, e.shiftKey) }, letter)),
      ),
      hands.prepare ? h("button", { type: "button", "data-step": "prepare", onclick: hands.prepare }, t("move.prepare")) : null,
      h("p", { class: "soft small" }, t("move.hint")),
      moving.moved
        ? h("div", { class: "row" }, h("button", { type: "button", class: "main", disabled: !moving.allowed, onclick: hands.keep }, t("move.keep")), h("button", { type: "button", onclick: () => moving.back() }, t("move.back")))
        : null,
    );
  }

  private press(button: HTMLElement): void {
    for (const other of this.detail.querySelectorAll("[aria-pressed]")) other.setAttribute("aria-pressed", String(other === button));
  }
}
