// Procedures that were recorded: what was done and measured, files to take away, and the replay.

import { get, post } from "../api";
import { Trace } from "../charts";
import { fill, h } from "../dom";
import { type Job, listen, snapshot } from "../live";
import { workflow } from "../procedure";
import { type Course, type Curve, player } from "../replay";
import type { Shell } from "../shell";
import { number, t, term } from "../words";

interface Run {
  id: string;
  files: string[];
  recorded_bytes: number;
  running: boolean;
  replay: boolean;
  audit_problem: { message: string } | null;
  events?: { event: string; at: string; [k: string]: unknown }[];
}

export function reportPage(shell: Shell, wanted: string | undefined): () => void {
  const list = h("ul", { class: "runs" });
  const body = h("div", { class: "report" });
  const traces: Trace[] = [];
  let waiting: { job: string; then: () => void } | null = null;
  fill(shell.main, h("div", { class: "page wide" }, h("h1", null, t("nav.report")), h("div", { class: "report-page" }, h("nav", { "aria-label": t("report.runs") }, list), body)));

  const drawList = async (): Promise<void> => {
    const runs = await shell.tell(get<Run[]>("/runs"));
    if (!runs) return;
    fill(
      list,
      runs.length
        ? runs.map((r) => h("li", null, h("a", { href: `#/report/${encodeURIComponent(r.id)}`, "aria-current": r.id === wanted ? "true" : null }, r.id), h("span", { class: "soft small" }, ` ${number(r.recorded_bytes / 1e6, 1)} MB${r.running ? ` · ${t("report.running")}` : ""}`), r.audit_problem ? h("span", { class: "problem small" }, ` ${t("report.audit_broken")}`) : null))
        : h("li", { class: "soft" }, t("report.none")),
    );
  };

  const after = async (path: string, then: () => void): Promise<void> => {
    const job = await shell.tell(post<Job>(path));
    if (job) waiting = { job: job.id, then };
  };

  const open = async (id: string): Promise<void> => {
    const run = await shell.tell(get<Run>(`/runs/${encodeURIComponent(id)}`));
    if (!run) return;
    const show = async (): Promise<void> => {
      const course = await shell.tell(get<Course>(`/runs/${encodeURIComponent(id)}/course`));
      if (course) await draw(run, course);
    };
    if (run.replay) return show();
    fill(body, h("p", { class: "soft", role: "status" }, t("report.reading")));
    if (run.recorded_bytes) await after(`/runs/${encodeURIComponent(id)}/replay`, () => void show());
    else fill(body, head(run), events(run));
  };

  const head = (run: Run): HTMLElement =>
    h(
      "div",
      { class: "row wrap" },
      h("h2", { class: "grow" }, run.id),
      h("button", { type: "button", class: "main", onclick: () => void after(`/runs/${encodeURIComponent(run.id)}/report`, () => void open(run.id)) }, t(run.files.includes("procedure.html") ? "report.again" : "report.write")),
      run.files.map((f) => h("a", { class: "button", href: `/api/runs/${encodeURIComponent(run.id)}/files/${encodeURIComponent(f)}`, download: `${run.id}-${f}` }, `↓ ${f}`)),
    );

  const draw = async (run: Run, course: Course): Promise<void> => {
    traces.splice(0).forEach((trace) => trace.destroy());
    const flow = await workflow();
    const curves = h("div", { class: "pairs" });
    fill(
      body,
      head(run),
      h(
        "div",
        { class: "row wrap" },
        h("span", { class: `verdict ${course.finished ? (course.stops.length ? "review" : "accept") : "refuse"}` }, t(course.finished ? (course.stops.length ? "report.after_stop" : "report.done") : "report.unfinished")),
        h("span", null, course.level),
        h("span", { class: "mono small soft" }, course.plan_hash.slice(0, 12)),
        h("span", null, t("report.lasted", { min: Math.floor(course.seconds / 60), s: Math.round(course.seconds % 60) })),
        h("button", { type: "button", class: "main", onclick: () => (player.begin(run.id, course), (location.hash = "#/room")) }, t("report.replay")),
      ),
      phases(course, flow.phases),
      h(
        "table",
        null,
        h("thead", null, h("tr", null, ["report.side", "report.given", "report.peak"].map((c, n) => h("th", { scope: "col", class: n ? "num" : null }, t(c))))),
        h("tbody", null, Object.entries(course.delivered_ml).filter(([s]) => s).map(([s, ml]) => h("tr", null, h("td", null, term("side", s)), h("td", { class: "num" }, `${number(ml, 2)} ml`), h("td", { class: "num" }, `${number(peak(course.delivery[s], 2), 0)} kPa`)))),
      ),
      course.registrations.length
        ? h("table", null, h("thead", null, h("tr", null, ["report.when", "report.outcome", "report.check", "report.bound"].map((c) => h("th", { scope: "col", class: c === "report.outcome" ? null : "num" }, t(c))))), h("tbody", null, course.registrations.map((r) => h("tr", null, h("td", { class: "num" }, `${number(r.at_s, 0)} s`), h("td", null, r.accepted ? t("registration.accepted") : r.message), h("td", { class: "num" }, r.check_mm === null ? "–" : `${number(r.check_mm, 2)} mm`), h("td", { class: "num" }, Object.entries(r.bounds_mm).map(([s, b]) => `${term("side", s)} ${number(b, 2)} mm`).join(", "))))))
        : null,
      course.stops.map((s) => h("p", { class: "problem" }, t("report.stopped", { s: number(s.at_s, 1), reason: s.reason }))),
      curves,
      events(run),
    );
    for (const [of, unit, column, kind] of [["delivery", "ml", 0, "inject.volume"], ["delivery", "kPa", 2, "inject.pressure"], ["position", "mm", 1, "align.target"]] as const) {
      for (const [s, curve] of Object.entries(course[of] as Record<string, Curve>)) {
        if (!s || !curve.seconds.length) continue;
        const box = h("div", { class: "trace" });
        curves.append(h("section", { class: "card" }, h("h2", null, `${t(kind)} · ${term("side", s)}`), box));
        const trace = new Trace(box, course.seconds, unit, [[t(kind), "#6fd3ff"]], [0, 1]);
        trace.show(curve.seconds, [curve.values.map((v) => v[column])]);
        traces.push(trace);
      }
    }
  };

  void drawList();
  if (wanted) void open(decodeURIComponent(wanted));
  const unlisten = listen(() => {
    const job = waiting && snapshot()?.jobs.find((j) => j.id === waiting!.job);
    if (!waiting || !job || ["waiting", "running"].includes(job.state)) return;
    const { then } = waiting;
    waiting = null;
    if (job.state === "done") then();
    else fill(body, h("p", { class: "problem" }, job.refusal?.message ?? job.state));
  });
  return () => {
    unlisten();
    traces.forEach((trace) => trace.destroy());
  };
}

const peak = (curve: Curve | undefined, column: number): number => Math.max(0, ...(curve?.values ?? []).map((v) => v[column] ?? 0));

function phases(course: Course, names: string[]): HTMLElement {
  return h(
    "ol",
    { class: "phases" },
    course.stays.filter((s) => s.until - s.from > 0.2).map((s) => h("li", { class: names[s.phase] === "stopped" || names[s.phase] === "fault" ? "problem" : null }, h("strong", null, term("phase", names[s.phase])), s.side ? ` ${term("side", s.side)}` : "", h("span", { class: "soft small" }, ` ${Math.round(s.until - s.from)} s`))),
  );
}

function events(run: Run): HTMLElement {
  return h(
    "details",
    null,
    h("summary", null, t("report.audit", { n: run.events?.length ?? 0 })),
    run.audit_problem ? h("p", { class: "problem" }, run.audit_problem.message) : h("p", { class: "good-text" }, t("report.audit_whole")),
    h("ol", { class: "small mono" }, (run.events ?? []).map((e) => h("li", null, `${e.at} ${e.event} ${["phase", "reason", "by", "operator", "why"].map((k) => e[k]).filter(Boolean).join(" ")}`))),
  );
}
