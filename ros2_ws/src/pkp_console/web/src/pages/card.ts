// The verdict card: what was decided, with its numbers.

import { h } from "../dom";
import type { Heights, Plan } from "../plan";
import { verdictChip } from "../shell";
import { number, t } from "../words";

export function verdictCard(plan: Plan): HTMLElement {
  const heights: [string, Heights][] = [["plan.now", plan.heights_mm], ["plan.expected", plan.expected_mm], ["plan.ideal", plan.ideal_mm]];
  const parts = ["anterior", "middle", "posterior"] as const;
  return h(
    "section",
    { class: "card verdict-card", "aria-label": t("plan.hash") },
    h("div", { class: "row" }, h("h1", null, plan.level), verdictChip(plan.verdict), h("span", { class: "grow" }), h("span", { class: "mono soft", title: plan.plan_hash }, plan.plan_hash.slice(0, 12))),
    h(
      "div",
      { class: "row dose" },
      h("span", { class: "big num" }, number(plan.recommended_ml), h("small", null, " ml")),
      h("span", null, h("span", { class: "num" }, `${number(plan.recommended_ml_low)}–${number(plan.recommended_ml_high)} ml`), h("br"), h("span", { class: "soft" }, t("plan.recommended"))),
      h("span", null, h("span", null, plan.product), h("br"), h("span", { class: "soft" }, t("plan.fill", { n: Math.round(plan.fill_percent) }))),
    ),
    plan.reasons.length ? h("ul", { class: `reasons ${plan.verdict}` }, plan.reasons.map((r) => h("li", null, r))) : null,
    h(
      "table",
      { class: "heights" },
      h("thead", null, h("tr", null, h("th", { scope: "col" }, t("plan.heights")), parts.map((p) => h("th", { scope: "col" }, t(`plan.${p}`))))),
      h("tbody", null, heights.map(([name, v]) => h("tr", null, h("th", { scope: "row" }, t(name)), parts.map((p) => h("td", { class: "num" }, number(v[p])))))),
    ),
    h(
      "p",
      { class: "small" },
      `${t("plan.deficit")} `,
      h("span", { class: "num" }, `${number(plan.defect_ml)} ml (${number(plan.defect_ml_low)}–${number(plan.defect_ml_high)})`),
      ` · ${t("plan.genant", { n: plan.genant, shape: plan.fracture })} · ${t("plan.selfcheck")}: `,
      h("strong", { class: plan.self_check_passed ? "good-text" : "bad-text" }, plan.self_check_passed ? t("plan.passed") : t("plan.failed")),
      ` · ${t("plan.numbering", { source: plan.numbering.source, n: Math.round(100 * plan.numbering.confidence) })}`,
    ),
    plan.warnings.length ? h("details", null, h("summary", null, t("plan.warnings", { n: plan.warnings.length })), h("ul", null, plan.warnings.map((w) => h("li", null, w)))) : null,
  );
}
