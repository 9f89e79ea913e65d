// A case of X-ray images: point at the vertebra in every picture, plan, and compare what was rebuilt with the bone.

import { type Facts, ask, get, me, post } from "../api";
import { fill, h } from "../dom";
import { type Job, listen } from "../live";
import type { PathRecord } from "../plan";
import { type Shell, verdictChip } from "../shell";
import { number, refusal, t, term } from "../words";
import { type Lines, type Pixel, type Point, POINTS, Picture } from "./picture";

interface Shown {
  pictures: { name: string; size: [number, number]; source: string; warnings: string[] }[];
  angle_deg: number;
  levels: string[];
  result: {
    views: Lines[];
    level: string;
    trusted: boolean;
    confidence: number;
    doubts: string[];
    next_view: { primary_deg: number; secondary_deg: number; gain: number } | null;
    plan_hash: string | null;
  } | null;
  plan: {
    level: string;
    verdict: string;
    reasons: string[];
    confidence: number;
    plan_hash: string;
    frame: string;
    shape: { wall_sd_mm: number };
    paths: PathRecord[];
    not_said: string[];
  } | null;
}

export function xrayPage(shell: Shell, id: string): () => void {
  const body = h("section", { class: "page wide" }, h("h1", null, t("xray.title"), " ", h("small", { class: "soft" }, id)));
  const row = h("div", { class: "xrays" });
  const form = h("div", { class: "row wrap" });
  const work = h("div", { class: "work", role: "status" });
  const outcome = h("div", { class: "card outcome" });
  fill(shell.main, body);
  body.append(form, h("p", { class: "soft small" }, t("xray.how")), row, work, outcome);

  let pictures: Picture[] = [];
  let point: Point = "body";
  let known = "";
  let near = false;
  let finished = "";

  async function load(): Promise<void> {
    const shown = await shell.tell(get<Shown>(`/cases/${id}/xrays`));
    if (!shown) return;
    const clicks = pictures.map((p) => p.clicks);
    pictures = shown.pictures.map((p, n) => {
      const picture = new Picture(`/api/cases/${id}/xrays/${p.name}`, p.name, p.size, clicks[n] ?? {}, () => point);
      picture.draw(shown.result?.views[n] ?? null);
      picture.zoom(near);
      return picture;
    });
    fill(row, pictures.map((p, n) => h("figure", { class: "xray" }, p.element, h("figcaption", null, t("xray.picture", { name: p.name }), p.hint, shown.pictures[n].warnings.map((w) => h("span", { class: "problem" }, w))))));
    ask_(shown);
    fill(outcome, ...told(shown));
    outcome.className = `card outcome ${shown.result ? (shown.plan ? "some" : "nothing") : ""}`;
  }

  function ask_(shown: Shown): void {
    const level = h("select", { "aria-label": t("replan.level") }, h("option", { value: "" }, "–"), shown.levels.map((l) => h("option", { value: l, selected: l === (shown.plan?.level ?? shown.result?.level) }, l)));
    const points = POINTS.map((p) =>
      h("label", { class: "check" }, h("input", { type: "radio", name: "point", value: p, checked: p === point, onchange: () => void (point = p) }), t(`xray.point.${p}`)),
    );
    const names = h("select", { "aria-label": t("xray.known"), onchange: () => void (known = names.value) }, h("option", { value: "" }, "–"), shown.levels.map((l) => h("option", { value: l, selected: l === known }, l)));
    fill(
      form,
      h("label", { class: "check" }, t("replan.level"), level),
      h("fieldset", { class: "row points" }, h("legend", { class: "soft small" }, t("xray.pointing")), points, h("label", { class: "check" }, t("xray.known"), names)),
      h("button", { type: "button", class: "quiet", onclick: () => pictures.forEach((p) => p.clear()) }, t("xray.clear")),
      h("button", { type: "button", "aria-pressed": String(near), onclick: (e: Event) => zoom(e.currentTarget as HTMLElement) }, t("xray.near")),
      h("button", { type: "button", class: "main", disabled: me()!.role === "viewer", onclick: () => void plan(level.value) }, t("xray.plan")),
      h("span", { class: "soft" }, t("xray.angle", { n: number(shown.angle_deg, 0) })),
    );
  }

  function zoom(button: HTMLElement): void {
    near = !near;
    button.setAttribute("aria-pressed", String(near));
    pictures.forEach((p) => p.zoom(near));
  }

  async function plan(level: string): Promise<void> {
    if (!level) return shell.say(t("xray.no_level"), true);
    const clicks: Record<string, Partial<Record<Point, Pixel>>> = {};
    for (const p of pictures) if (Object.keys(p.clicks).length) clicks[p.name] = p.clicks;
    if (!known && pictures.some((p) => p.clicks.known)) return shell.say(t("xray.no_known"), true);
    await shell.tell(post<Job>(`/cases/${id}/xrays/plan`, { level, clicks, known }));
  }

  function told(shown: Shown): (Node | string | null)[] {
    const { result, plan } = shown;
    if (!result) return [h("p", { class: "soft" }, t("xray.unplanned"))];
    const sure = h("p", null, t("xray.confidence", { n: Math.floor(100 * result.confidence) }));
    const next = h("p", null, h("strong", null, t("xray.next")), " ", result.next_view ? said(result.next_view) : t("xray.next_none"));
    if (!plan) return [h("div", { class: "row" }, h("span", { class: "verdict refuse" }, t("xray.no_plan")), h("strong", null, result.level)), h("p", null, t("xray.no_plan_lead")), h("ul", null, result.doubts.map((d) => h("li", { class: "problem" }, d))), sure, next];
    return [
      h("div", { class: "row wrap" }, verdictChip(plan.verdict), h("strong", null, plan.level), h("span", { class: "soft mono small" }, plan.plan_hash.slice(0, 12))),
      h("p", null, t("xray.look")),
      h("ul", null, plan.reasons.slice(1).map((r) => h("li", null, r))),
      sure,
      h("p", null, t("xray.walls", { n: number(plan.shape.wall_sd_mm) })),
      paths(plan.paths),
      h("p", { class: "soft" }, t("xray.not_said"), " ", plan.not_said.join("; ")),
      next,
      h("p", null, h("a", { class: "button", href: `/api/cases/${id}/files/report.html`, download: true }, t("report.save"))),
    ];
  }

  function paths(all: PathRecord[]): HTMLElement {
    const chosen = all.filter((p, n) => all.findIndex((q) => q.side === p.side) === n);
    const head = ["", t("paths.grade", { g: "" }), t("paths.clearance"), t("paths.breach"), t("paths.depth")];
    return h(
      "table",
      null,
      h("tr", null, head.map((c) => h("th", null, c))),
      chosen.map((p) =>
        h("tr", null, h("td", null, `${term("side", p.side)}, ${term("kind", p.kind)}`), h("td", null, p.grade), h("td", { class: "num" }, `${number(p.clearance_mm)} ± ${number(p.resolution_mm)} mm`), h("td", { class: "num" }, `${number(100 * p.p_breach)} %`), h("td", { class: "num" }, `${number(p.depth_mm, 0)} mm`)),
      ),
    );
  }

  const leave = listen((now) => {
    const mine = (now?.jobs ?? []).filter((j) => j.case === id);
    const running = mine.find((j) => j.state === "running" || j.state === "waiting");
    const last = mine.at(-1);
    fill(
      work,
      running
        ? h("div", { class: "job" }, h("strong", null, t(`job.${running.kind}`)), t(`stage.${running.stage || running.state}`), h("span", { class: "num soft" }, `${running.elapsed_s.toFixed(0)} s`), h("button", { type: "button", class: "quiet", onclick: () => void shell.tell(ask("DELETE", `/jobs/${running.id}`)) }, t("cancel")))
        : last?.refusal
          ? h("div", { class: "job refused" }, h("p", { class: "problem" }, refusal(last.refusal as Facts)))
          : null,
    );
    const ended = mine.filter((j) => j.state !== "running" && j.state !== "waiting").map((j) => j.id).join();
    if (ended !== finished) void load();
    finished = ended;
  });
  void load();
  return leave;
}

/** The next view in words: where the detector goes. */
function said(view: { primary_deg: number; secondary_deg: number; gain: number }): string {
  const side = t(view.primary_deg >= 0 ? "side.left" : "side.right");
  const tilt = t(view.secondary_deg >= 0 ? "xray.head" : "xray.feet");
  return t("xray.turn", { a: number(Math.abs(view.primary_deg), 0), side, b: number(Math.abs(view.secondary_deg), 0), tilt, gain: number(100 * view.gain, 0) });
}
