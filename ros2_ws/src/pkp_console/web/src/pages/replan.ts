// Ask for a plan: level, product, the point that settles the numbering; and what to do when the answer is a question.

import type { Facts } from "../api";
import { ask, post } from "../api";
import { fill, h } from "../dom";
import type { Job } from "../live";
import type { About } from "../plan";
import type { Shell } from "../shell";
import type { Point } from "../space";
import { refusal, t } from "../words";

interface Candidate {
  probability: number;
  levels: Record<string, Point>;
}

export class Replan {
  readonly element = h("section", { class: "card replan" });
  private level = "";
  private product = "";
  private pinned = false;
  private shown = "";

  constructor(
    private readonly shell: Shell,
    private readonly caseId: string,
    private readonly about: About,
    private readonly crosshair: () => Point,
    private readonly goTo: (p: Point) => void,
  ) {}

  /** Draw for the newest job of this case; nothing changes while it is the same. */
  draw(job: Job | null, open: boolean): void {
    const running = job?.state === "running" || job?.state === "waiting";
    const key = JSON.stringify([job?.id, job?.state, running ? [job?.stage, job?.elapsed_s] : 0, open]);
    if (key === this.shown) return;
    this.shown = key;
    this.element.hidden = !open && !running && job?.state !== "refused";
    if (running) {
      fill(
        this.element,
        h("h2", null, t("replan.title")),
        h("p", { role: "status" }, t(`stage.${job!.stage || job!.state}`), " · ", h("span", { class: "num" }, `${job!.elapsed_s.toFixed(0)} s`)),
        h("progress", { "aria-label": t("replan.title") }),
        h("button", { type: "button", onclick: () => void this.shell.tell(cancel(job!.id)) }, t("cancel")),
      );
      return;
    }
    fill(this.element, h("h2", null, t("replan.title")), job?.state === "refused" ? this.question(job.refusal as Facts) : null, this.form());
  }

  private form(): HTMLElement {
    const option = (value: string, text: string, now: string) => h("option", { value, selected: value === now }, text);
    const at = h("input", { type: "checkbox", checked: this.pinned, onchange: () => (this.pinned = at.checked) });
    return h(
      "form",
      { onsubmit: (e: Event) => (e.preventDefault(), void this.go(this.level || null, this.pinned ? this.crosshair() : null)) },
      h("label", null, t("replan.level"), h("select", { name: "level", onchange: (e: Event) => (this.level = (e.target as HTMLSelectElement).value) }, option("", t("replan.any"), this.level), this.about.levels.map((l) => option(l, l, this.level)))),
      h("label", null, t("replan.product"), h("select", { name: "product", onchange: (e: Event) => (this.product = (e.target as HTMLSelectElement).value) }, option("", t("replan.default"), this.product), this.about.products.map((p) => option(p, p, this.product)))),
      h("label", { class: "check" }, at, t("replan.at")),
      h("button", { type: "submit", class: "main" }, t("replan.go")),
    );
  }

  private question(facts: Facts): HTMLElement {
    const found = (facts.found ?? []) as { level: string; genant: number; fracture: string }[];
    const candidates = (facts.candidates ?? []) as Candidate[];
    const ends = (c: Candidate) => Object.keys(c.levels);
    return h(
      "div",
      { class: "question", role: "alert" },
      h("p", { class: "problem" }, refusal(facts)),
      facts.code === "level_not_given"
        ? [h("p", null, t("replan.found")), h("div", { class: "row wrap" }, found.map((f) => h("button", { type: "button", class: f.genant ? "warn" : null, onclick: () => void this.go(f.level, null) }, f.level, f.genant ? ` · Genant ${f.genant}` : "")))]
        : null,
      candidates.length
        ? [
            h("p", null, t("replan.candidates")),
            candidates.slice(0, 4).map((c) =>
              h(
                "div",
                { class: "candidate" },
                h("strong", null, t("replan.candidate", { p: Math.round(100 * c.probability), from: ends(c)[0] ?? "", to: ends(c).at(-1) ?? "" })),
                h("div", { class: "row wrap" }, Object.entries(c.levels).map(([level, at]) => h("button", { type: "button", onfocus: () => this.goTo(at), onclick: () => (this.goTo(at), void this.go(level, at)) }, t("replan.this", { level })))),
              ),
            ),
          ]
        : null,
    );
  }

  private async go(level: string | null, at: Point | null): Promise<void> {
    const body = { level, at, product: this.product || null };
    await this.shell.tell(post(`/cases/${this.caseId}/plan`, body));
  }
}

const cancel = (id: string): Promise<unknown> => ask("DELETE", `/jobs/${id}`);
