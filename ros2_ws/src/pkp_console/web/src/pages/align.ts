// Alignment: where the guide's axis meets the planned path, as the camera sees it; the numbers are the verification node's.

import { Vector3 } from "three";
import { Trace } from "../charts";
import { fill, h } from "../dom";
import { LOST_MS, between, toRoot } from "../frames";
import { clock, listen, reading } from "../live";
import type { Plan } from "../plan";
import { latched, pathOf, planInHand, side } from "../procedure";
import { type Seen, seenGuide } from "../pose";
import type { Shell } from "../shell";
import { number, t, term } from "../words";
import { Controls } from "./controls";

const STATES = ["not_verified", "holding", "verified", "lost"];
const LOST = STATES.indexOf("lost");
const NS = "http://www.w3.org/2000/svg";
const SCALES = [2, 5, 20, 80];
const RADIUS = 180;
const BREATH_SECONDS = 30;
const STEADY_S = 1;
const APART_MM = 1;

export function alignPage(shell: Shell): () => void {
  const eye = new BullsEye();
  const lamp = h("div", { class: "lamp", role: "status" });
  const numbers = h("div", { class: "numbers" });
  const breath = h("div", { class: "trace" });
  const controls = new Controls(shell);
  const steady = new Steady();
  fill(
    shell.main,
    h(
      "div",
      { class: "plan" },
      h("div", { class: "align" }, h("div", { class: "align-top" }, eye.element, h("div", { class: "align-side" }, lamp, numbers)), h("section", { class: "card" }, h("h2", null, t("align.breath")), breath)),
      h("aside", { class: "side" }, controls.element, h("section", { class: "card soft small" }, h("h2", null, t("align.read")), h("p", null, t("align.legend")))),
    ),
  );
  const trace = new Trace(breath, BREATH_SECONDS, "mm", [[t("align.breath"), "#6fd3ff"]], [-1, 5]);
  let plan: Plan | null = null;
  let base: number | null = null;
  let last = -1;
  const unlisten = listen(() => {
    void planInHand().then((held) => (plan = held?.plan ?? null));
    const path = plan && side() ? pathOf(plan, side()) : null;
    const seen = path ? seenGuide(path) : null;
    eye.draw(steady.mean(seen));
    drawLamp(lamp);
    drawNumbers(numbers, seen);
    controls.draw();
    const place = lifted();
    if (place !== null && base === null) base = place;
    if (clock() - last > 0.05 || clock() < last) {
      last = clock();
      trace.push([place === null ? null : place - base!]);
    }
  });
  return () => {
    unlisten();
    trace.destroy();
  };
}

/** The mean of what was seen in the last second, as the verification takes it: single sightings scatter by half a millimetre. */
class Steady {
  private kept: { at: number; seen: Seen }[] = [];

  mean(newest: Seen | null): Seen | null {
    const now = clock();
    if (!newest || this.kept.some((k) => k.at > now)) this.kept = [];
    if (!newest) return null;
    this.kept = [...this.kept.filter((k) => now - k.at < STEADY_S), { at: now, seen: newest }];
    const of = (pick: (s: Seen) => number): number => this.kept.reduce((sum, k) => sum + pick(k.seen), 0) / this.kept.length;
    const place = (end: "entry" | "target") => ({ left: of((s) => s[end].left), up: of((s) => s[end].up) });
    const mean = { ...newest, entry: place("entry"), target: place("target") };
    // what lies apart from it moves, and is shown where it is
    if (Math.hypot(mean.target.left - newest.target.left, mean.target.up - newest.target.up) > APART_MM) this.kept = this.kept.slice(-1);
    return this.kept.length > 1 ? mean : newest;
  }
}

/** How high the patient's reference is, mm; null while the camera does not see it. */
function lifted(): number | null {
  const root = toRoot("patient_ref").root;
  const at = between(root, "patient_ref", LOST_MS);
  if (!at) return null;
  const place = new Vector3().setFromMatrixPosition(at);
  return (root === "world" ? place.z : place.length()) * 1000;
}

/** What the lamp says. Green is only what the verification said a moment ago of the plan and side in hand, while nothing is stopped. */
function lampWord(): string {
  const [v, safety, phase] = ["verification", "safety", "phase"].map(reading);
  if (!v) return "none";
  if (v.stale || !safety || safety.stale || !phase || phase.stale) return "stale";
  if (latched()) return "stopped";
  const word = STATES[v.value.state] ?? "stale";
  if (word !== "verified") return word;
  if (v.age_ms > LOST_MS) return "stale";
  const mine = v.value.side === side() && v.value.plan?.plan_hash === phase.value.plan?.plan_hash;
  return mine ? word : "not_verified";
}

function drawLamp(lamp: HTMLElement): void {
  const v = reading("verification");
  const word = lampWord();
  const share = v && !v.stale ? Math.min(1, (v.value.held ?? 0) / (v.value.hold_required || 1)) : 0;
  const key = `${word} ${share.toFixed(2)} ${document.documentElement.lang}`;
  if (lamp.dataset.shown === key) return;
  lamp.dataset.shown = key;
  lamp.className = `lamp ${word}`;
  fill(lamp, h("strong", null, t(`lamp.${word}`)), word === "holding" ? h("progress", { max: 1, value: share }) : null, v && word !== "none" ? h("span", { class: "small" }, term("side", v.value.side)) : null);
}

function drawNumbers(box: HTMLElement, seen: Seen | null): void {
  const v = reading("verification");
  const good = v && !v.stale && v.value.state !== LOST ? v.value : null;
  const mm = (x: number | null | undefined): string => (x === null || x === undefined ? "–" : number(x * 1000, 1));
  const degrees = good?.angle_error === null || good?.angle_error === undefined ? "–" : number((good.angle_error * 180) / Math.PI, 1);
  const rows: [string, string, string][] = [
    [t("align.entry"), mm(good?.entry_error), "mm"],
    [t("align.target"), mm(good?.target_error), "mm"],
    [t("align.angle"), degrees, "°"],
    [t("align.gap"), seen ? number(seen.gap, 0) : "–", "mm"],
  ];
  const key = JSON.stringify([rows, Boolean(good)]);
  if (box.dataset.shown === key) return;
  box.dataset.shown = key;
  box.classList.toggle("stale", !good);
  fill(box, rows.map(([name, value, unit]) => h("div", { class: "figure" }, h("span", { class: "soft" }, name), h("span", { class: "huge num" }, value, h("small", null, ` ${unit}`)))));
}

/** Rings in millimetres about the path; a ring for where the axis meets the entry, a cross for the target. */
class BullsEye {
  readonly element = svg("svg", { viewBox: "-210 -210 420 420", class: "eye", role: "img" });
  private readonly rings = svg("g", {});
  private readonly axis = svg("line", { stroke: "#a3b4c4", "stroke-width": 2 });
  private readonly entry = svg("circle", { r: 13, fill: "none", stroke: "#6fd3ff", "stroke-width": 4 });
  private readonly target = svg("g", { stroke: "#fbbf24", "stroke-width": 4 });
  private readonly lost = svg("text", { x: 0, y: 8, "text-anchor": "middle", fill: "#ff8a80", "font-size": 26 });
  private scale = 0;

  constructor() {
    this.target.append(svg("line", { x1: -14, x2: 14 }), svg("line", { y1: -14, y2: 14 }));
    const letters = ([["L", -198, 6], ["R", 198, 6], ["H", 0, -190], ["F", 0, 202]] as const).map(([letter, x, y]) => {
      const mark = svg("text", { x, y, "text-anchor": "middle", fill: "#a3b4c4", "font-size": 18 });
      mark.textContent = letter;
      return mark;
    });
    this.element.append(this.rings, ...letters, this.axis, this.entry, this.target, this.lost);
    this.element.setAttribute("aria-label", t("align.eye"));
  }

  draw(seen: Seen | null): void {
    for (const part of [this.axis, this.entry, this.target]) part.setAttribute("visibility", seen ? "visible" : "hidden");
    this.lost.textContent = seen ? "" : t("align.lost");
    if (!seen) {
      if (!this.scale) this.draw_rings(SCALES[1]);
      return;
    }
    const far = Math.max(...[seen.entry, seen.target].map((p) => Math.hypot(p.left, p.up)));
    const fits = SCALES.find((s) => far < s * 0.95) ?? SCALES[SCALES.length - 1];
    // it zooms in later than out, or it would flicker at the limit
    if (!this.scale || fits > this.scale || far < fits * 0.7) this.draw_rings(fits);
    const [ex, ey] = this.at(seen.entry);
    const [tx, ty] = this.at(seen.target);
    this.entry.setAttribute("transform", `translate(${ex} ${ey})`);
    this.target.setAttribute("transform", `translate(${tx} ${ty})`);
    for (const [name, value] of [["x1", ex], ["y1", ey], ["x2", tx], ["y2", ty]] as const) this.axis.setAttribute(name, String(value));
  }

  /** As from behind a prone patient, the head up: the patient's left is on the left. */
  private at(p: { left: number; up: number }): [number, number] {
    const out = Math.min(1, (this.scale * 1.05) / Math.max(1e-9, Math.hypot(p.left, p.up)));
    const k = (RADIUS / this.scale) * out;
    return [-p.left * k, -p.up * k];
  }

  private draw_rings(scale: number): void {
    if (scale === this.scale) return;
    this.scale = scale;
    this.rings.replaceChildren(
      ...[1, 0.5, 0.25].map((share, n) => svg("circle", { r: RADIUS * share, fill: n === 2 ? "#12301f" : "none", stroke: "#5c7083", "stroke-width": 1.5 })),
      svg("line", { x1: -RADIUS, x2: RADIUS, stroke: "#2c3a47" }),
      svg("line", { y1: -RADIUS, y2: RADIUS, stroke: "#2c3a47" }),
      ...[1, 0.5].map((share) => {
        const mark = svg("text", { x: RADIUS * share * 0.72, y: -RADIUS * share * 0.72, fill: "#a3b4c4", "font-size": 14 });
        mark.textContent = `${scale * share} mm`;
        return mark;
      }),
    );
  }
}

function svg(name: string, attributes: Record<string, string | number>): SVGElement {
  const element = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  return element;
}
