// The plan view: slices and 3D on the left, what was decided on the right.

import { get, me, post } from "../api";
import { fill, h } from "../dom";
import { type Job, listen, reading, snapshot } from "../live";
import { type About, type CaseFacts, type PathRecord, type Plan, nameOf, nearness } from "../plan";
import type { Shell } from "../shell";
import type { Point } from "../space";
import { type Colour, Viewer, WINDOWS } from "../viewer";
import { t } from "../words";
import { verdictCard } from "./card";
import { Moving } from "./moving";
import { Overlay, SHADES } from "./overlay";
import { type Hands, PathPanel } from "./pathpanel";
import { Replan } from "./replan";
import { approveDialog, revisionList } from "./revisions";

const ZOOM = 1.9;
const APPROVE = 3;
const LAYERS = ["labels", "vertebrae", "ideal", "defect", "paths"] as const;
type Layer = (typeof LAYERS)[number];
const LABELS_OPACITY = 0.28;

const rgb = (hex: string, alpha: number): Colour => [1, 3, 5].map((n) => parseInt(hex.slice(n, n + 2), 16)).concat(alpha) as Colour;
const layerOf = (name: string): Layer | null =>
  name.endsWith("_ideal_body") ? "ideal" : name.endsWith("_defect") ? "defect" : name.endsWith("_vertebra") ? "vertebrae" : null;
const COLOURS: Record<string, Colour> = { vertebrae: [214, 205, 188, 60], ideal: [110, 190, 255, 70], defect: [255, 120, 90, 235] };

export async function planPage(shell: Shell, id: string): Promise<() => void> {
  const flat = h("canvas", { class: "flat", "aria-label": `${t("view.axial")}, ${t("view.sagittal")}, ${t("view.coronal")}`, tabindex: "0" });
  const deep = h("canvas", { class: "deep", "aria-label": t("view.solid") });
  const over = h("canvas", { class: "over", "aria-hidden": "true" });
  const wait = h("div", { class: "wait", role: "status" }, t("view.loading"));
  const stage = h("div", { class: "stage" }, flat, h("div", { class: "corner" }, deep), over, wait);
  const where = h("input", { class: "num where", inputmode: "decimal", spellcheck: "false", onchange: () => place(where.value) });
  const layers = h("div", { class: "layers", role: "group", "aria-label": t("layer.title") });
  const side = h("aside", { class: "side" });
  fill(shell.main, h("div", { class: "plan" }, h("div", { class: "views" }, h("div", { class: "bar" }, layers, h("span", { class: "grow" }), h("label", { class: "check soft small" }, t("view.at"), where)), stage), side));

  const [about, first] = await Promise.all([shell.tell(get<About>("/about")), shell.tell(get<CaseFacts>(`/cases/${id}`))]);
  if (!about || !first) {
    fill(wait, t("cases.none"));
    return () => undefined;
  }
  let facts: CaseFacts = first;
  let plan: Plan | null = null;
  let chosen: Moving | null = null;
  let judge: Hands["judge"] = "none";
  let replanOpen = false;
  let gone = false;
  let opened = false;
  const visible: Record<Layer, boolean> = { labels: true, vertebrae: true, ideal: true, defect: true, paths: true };
  const rank = me()!.role;
  const viewer = new Viewer(flat, deep);
  const panel = new PathPanel();
  const replan = new Replan(shell, id, about, () => viewer.crosshair(), (p) => viewer.goTo(p, ZOOM));
  const overlay = new Overlay(viewer, over, stage, () => ({
    paths: plan?.paths ?? [],
    chosen,
    wanted: plan?.configuration.trajectory.wanted_clearance_mm ?? 1,
    visible: visible.paths,
    titles: { 0: t("view.axial"), 1: t("view.coronal"), 2: t("view.sagittal") },
  }));
  const hands = (): Hands => ({
    choose: (p) => choose(p),
    keep: () => void keep(),
    approve: null,
    prepare: judge === "none" && mayJudge() ? () => void warmUp() : null,
    mayMove: rank !== "viewer",
    judge,
  });

  function drawSide(): void {
    const open = replanOpen || !plan;
    fill(
      side,
      plan ? verdictCard(plan) : null,
      plan
        ? h(
            "div",
            { class: "row wrap actions" },
            rank === "operator" ? h("button", { type: "button", class: "main", disabled: plan.verdict === "refuse", onclick: () => approveDialog(shell, id, plan!, () => void reload()) }, t("approve.button")) : null,
            rank !== "viewer" && facts.has_ct ? h("button", { type: "button", "aria-expanded": String(open), onclick: () => ((replanOpen = !replanOpen), drawSide()) }, t("replan.again")) : null,
            facts.files.includes("report.html") ? h("a", { class: "button", href: `/api/cases/${id}/files/report.html`, download: "" }, t("report.save")) : null,
            facts.files.includes("report.png") ? h("a", { class: "button", href: `/api/cases/${id}/files/report.png`, target: "_blank", rel: "noopener" }, t("report.sheet")) : null,
          )
        : null,
      rank !== "viewer" && facts.has_ct ? replan.element : null,
      plan ? [panel.list, panel.detail, revisionList(shell, facts, plan, (hash) => void openPlan(hash))] : null,
    );
    replan.draw(job(), open);
    drawPaths();
  }

  function drawPaths(): void {
    if (!plan) return;
    panel.drawList(plan, chosen, hands());
    panel.drawDetail(plan, chosen, hands());
  }

  function drawTubes(): void {
    const tubes: { way: Point[]; radius: number; colour: Colour }[] = [];
    if (plan && visible.paths) {
      const wanted = plan.configuration.trajectory.wanted_clearance_mm;
      if (chosen) {
        const bad = chosen.moved && (chosen.refused || chosen.judged?.objections.length);
        const now = chosen.shown;
        const shade = bad ? SHADES.none : now ? SHADES[nearness(now.clearance_mm, wanted)] : SHADES.plain;
        const way: Point[] = chosen.moved ? [chosen.entry, chosen.target] : chosen.path.waypoints_mm;
        tubes.push({ way, radius: chosen.path.diameter_mm / 2, colour: rgb(shade, 255) });
        tubes.push({ way, radius: chosen.path.diameter_mm / 2 + wanted, colour: rgb(shade, 80) });
      }
      for (const p of plan.paths) {
        const other = p.kind === "transpedicular" && p !== chosen?.path;
        if (other) tubes.push({ way: p.waypoints_mm, radius: p.diameter_mm / 2, colour: rgb(SHADES.plain, 255) });
      }
    }
    viewer.setTubes(tubes);
  }

  /** The crosshair by its numbers, for whoever has no mouse. */
  function place(text: string): void {
    const p = text.split(/[\s,;]+/).filter(Boolean).map(Number);
    if (p.length === 3 && p.every(Number.isFinite)) viewer.goTo(p as Point, ZOOM);
  }

  let due: "no" | "place" | "answer" = "no";
  function changed(what: "place" | "answer" = "answer"): void {
    const waiting = due !== "no";
    if (due !== "answer") due = what;
    if (waiting) return;
    requestAnimationFrame(() => {
      const all = due === "answer";
      due = "no";
      if (gone) return;
      overlay.draw();
      if (plan) panel.drawDetail(plan, chosen, hands());
      if (all && opened) drawTubes(); // the 3D scene follows the answers, the slices every step of the hand
    });
  }

  function choose(p: PathRecord): void {
    chosen = new Moving(id, plan!.plan_hash, p, changed);
    chosen.ready = judge === "ready" && p.kind !== "curved";
    viewer.goTo(p.target_mm);
    drawPaths();
    changed();
    stage.dataset.path = nameOf(p);
  }

  async function keep(): Promise<void> {
    const answer = await shell.tell(chosen!.keep());
    if (!answer?.plan_hash) return;
    shell.say(t("move.kept", { hash: answer.plan_hash.slice(0, 12) }));
    const path = nameOf(chosen!.path);
    await reload(answer.plan_hash);
    const same = plan?.paths.find((p) => nameOf(p) === path);
    if (same) choose(same);
  }

  async function openPlan(hash: string): Promise<void> {
    const found = await shell.tell(get<Plan>(`/cases/${id}/plans/${hash}`));
    if (!found || gone) return;
    plan = found;
    chosen = null;
    if (plan.paths.length) choose(plan.paths[0]);
    drawSide();
  }

  async function reload(hash?: string): Promise<void> {
    const found = await shell.tell(get<CaseFacts>(`/cases/${id}`));
    if (!found || gone) return;
    facts = found;
    const now = hash ?? plan?.plan_hash ?? facts.plan?.plan_hash;
    if (now) await openPlan(now);
    else drawSide();
  }

  const mayJudge = (): boolean => rank !== "viewer" && facts.has_ct && Boolean(facts.plan);

  /** A room at work keeps its processors: there the path check is prepared only when somebody asks for it. */
  const roomAtWork = (): boolean => Boolean(snapshot()?.room.supervised) && Number(reading("phase")?.value.phase ?? 0) >= APPROVE;

  async function warmUp(): Promise<void> {
    if (!mayJudge() || judge === "preparing") return;
    judge = "preparing";
    changed();
    const answer = await shell.tell(post(`/cases/${id}/judge`));
    judge = answer ? "ready" : "none";
    if (chosen && chosen.path.kind !== "curved") chosen.ready = judge === "ready";
    stage.dataset.judge = judge;
    changed();
  }

  async function surfaces(): Promise<void> {
    viewer.clearSurfaces();
    for (const name of facts.surfaces) {
      const layer = layerOf(name);
      if (!layer || gone) continue;
      await viewer.addSurface(name, `/api/cases/${id}/surfaces/${name}`, COLOURS[layer], layer !== "vertebrae");
    }
    for (const layer of LAYERS) if (layer !== "labels") show(layer);
    drawTubes();
    viewer.follow(viewer.crosshair());
  }

  function show(layer: Layer): void {
    if (layer === "labels") viewer.setLabels(visible.labels ? LABELS_OPACITY : 0);
    else if (layer === "paths") changed();
    else viewer.setVisible((name) => layerOf(name) === layer, visible[layer]);
  }

  fill(
    layers,
    LAYERS.map((layer) => {
      const box = h("input", { type: "checkbox", checked: true, onchange: () => ((visible[layer] = box.checked), show(layer)) });
      return h("label", { class: "check" }, box, t(`layer.${layer}`));
    }),
    h("label", { class: "check" }, t("layer.window"), h("select", { onchange: (e: Event) => viewer.setWindow(WINDOWS[(e.target as HTMLSelectElement).value]) }, Object.keys(WINDOWS).map((w) => h("option", { value: w }, t(`window.${w}`))))),
  );

  const job = (): Job | null => (snapshot()?.jobs ?? []).filter((j) => j.kind === "plan" && j.case === id).at(-1) ?? null;
  let finished: string | null | undefined;
  let surfacesBegun = false;
  const leave = listen((now) => {
    const newest = job();
    replan.draw(newest, replanOpen || !plan);
    const done = newest?.state === "done" ? newest.id : null;
    if (now && done && finished !== undefined && done !== finished) {
      replanOpen = false;
      void reload(newest!.result ?? undefined).then(async () => {
        await surfaces();
        if (facts.files.includes("labels")) await viewer.showLabels(`/api/cases/${id}/files/labels`, visible.labels ? LABELS_OPACITY : 0);
        void warmUp();
      });
    }
    if (now) finished = done;
  });
  const resized = new ResizeObserver(() => changed());
  resized.observe(stage);
  viewer.onMove = (p) => {
    if (document.activeElement !== where) where.value = p.map((c) => c.toFixed(1)).join(", ");
    viewer.follow(p);
    overlay.draw();
  };

  drawSide();
  if (facts.plan) void openPlan(facts.plan.plan_hash);
  void (async () => {
    await viewer.open();
    opened = true;
    const draws = viewer.slices.drawScene.bind(viewer.slices);
    viewer.slices.drawScene = () => {
      const answer = draws();
      overlay.draw();
      return answer;
    };
    const quick = facts.files.includes("quick");
    if (!facts.has_ct) fill(wait, t("view.none"));
    else {
      await viewer.showCt(`/api/cases/${id}/files/${quick ? "quick" : "ct"}`, WINDOWS.bone);
      stage.dataset.first = String(Math.round(performance.now()));
      const at = (chosen as Moving | null)?.path.target_mm;
      if (at) viewer.goTo(at, ZOOM);
      fill(wait, quick ? t("view.detail") : null);
    }
    if (!roomAtWork()) void warmUp();
    if (!surfacesBegun) {
      surfacesBegun = true;
      await surfaces();
    }
    if (quick && !gone) await viewer.showCt(`/api/cases/${id}/files/ct`, WINDOWS.bone);
    if (facts.has_ct && facts.files.includes("labels") && !gone) await viewer.showLabels(`/api/cases/${id}/files/labels`, visible.labels ? LABELS_OPACITY : 0);
    fill(wait);
    wait.hidden = facts.has_ct;
    stage.dataset.ready = String(Math.round(performance.now()));
    changed();
  })();

  return () => {
    gone = true;
    leave();
    resized.disconnect();
    for (const nv of [viewer.slices, viewer.solid]) nv.gl?.getExtension("WEBGL_lose_context")?.loseContext();
  };
}
