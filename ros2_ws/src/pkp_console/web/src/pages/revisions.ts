// All plans of a case: open one, compare two, approve the one that is shown.

import { get, me, post } from "../api";
import { fill, h } from "../dom";
import type { CaseFacts, Plan } from "../plan";
import { type Shell, verdictChip } from "../shell";
import { number, t, term } from "../words";

interface Difference {
  what: string;
  first: unknown;
  second: unknown;
}
const shownValue = (v: unknown): string =>
  typeof v === "number" ? v.toFixed(2) : Array.isArray(v) ? v.map((c) => Number(c).toFixed(1)).join(", ") : v === null ? "–" : String(v);

export function revisionList(shell: Shell, facts: CaseFacts, plan: Plan, open: (hash: string) => void): HTMLElement {
  return h(
    "section",
    { class: "card" },
    h("h2", null, t("revisions.title")),
    h(
      "ul",
      { class: "revisions" },
      facts.plans.map((p) =>
        h(
          "li",
          { "aria-current": p.plan_hash === plan.plan_hash ? "true" : null },
          h("button", { type: "button", class: "link-like mono", onclick: () => open(p.plan_hash) }, p.plan_hash.slice(0, 12)),
          verdictChip(p.verdict),
          h("span", { class: "num" }, `${p.level} · ${number(p.recommended_ml)} ml`),
          h("span", { class: "soft small" }, p.of ? t("revisions.revised") : t("revisions.planned"), p.by ? ` · ${p.by}` : "", p.at ? ` · ${new Date(p.at).toLocaleString()}` : ""),
          p.approvals.map((a) => h("span", { class: "chip good" }, t("revisions.approved", { name: a.by }))),
          p.plan_hash === plan.plan_hash ? null : h("button", { type: "button", "aria-label": t("revisions.with"), onclick: () => void compare(shell, facts.id, plan.plan_hash, p.plan_hash) }, t("revisions.compare")),
        ),
      ),
    ),
  );
}

async function compare(shell: Shell, id: string, first: string, second: string): Promise<void> {
  const answer = await shell.tell(get<{ differences: Difference[] }>(`/cases/${id}/compare/${first}/${second}`));
  if (!answer) return;
  show(
    t("revisions.compare"),
    answer.differences.length
      ? h(
          "table",
          null,
          h("thead", null, h("tr", null, h("th", { scope: "col" }, t("compare.what")), h("th", { scope: "col" }, `${t("compare.first")} ${first.slice(0, 8)}`), h("th", { scope: "col" }, `${t("compare.second")} ${second.slice(0, 8)}`))),
          h("tbody", null, answer.differences.map((d) => h("tr", null, h("th", { scope: "row" }, d.what.replaceAll("_", " ")), h("td", { class: "num" }, shownValue(d.first)), h("td", { class: "num" }, shownValue(d.second))))),
        )
      : h("p", null, t("revisions.same")),
  );
}

export function approveDialog(shell: Shell, id: string, plan: Plan, done: () => void): void {
  const problem = h("p", { class: "problem", role: "alert" });
  const form = h(
    "form",
    {
      onsubmit: async (event: Event) => {
        event.preventDefault();
        const pin = String(new FormData(form).get("pin"));
        const answer = await shell.tell(post<{ approved: boolean; by: string; supervisor: string; error_msg?: string }>(`/cases/${id}/approve`, { plan_hash: plan.plan_hash, pin }));
        dialog.close();
        if (!answer) return;
        shell.say(`${answer.approved ? t("approve.done", { name: answer.by }) : ""} ${t(`approve.${answer.supervisor}`, { why: answer.error_msg ?? "" })}`, !answer.approved);
        done();
      },
    },
    h("p", null, t("approve.lead", { hash: plan.plan_hash.slice(0, 12), level: plan.level, ml: number(plan.recommended_ml), product: plan.product })),
    h("p", { class: "mono small soft" }, plan.plan_hash),
    h("ul", { class: "small" }, plan.paths.map((p) => h("li", null, `${term("side", p.side)} · ${term("kind", p.kind)} · ${t("paths.grade", { g: p.grade })} · ${number(p.clearance_mm)} mm · ${number(p.depth_mm, 0)} mm`))),
    h("label", null, t("signin.name"), h("input", { value: me()!.name, readonly: true, autocomplete: "username" })),
    h("label", null, t("signin.pin"), h("input", { name: "pin", type: "password", required: true, autocomplete: "current-password", maxlength: 64 })),
    problem,
    h("button", { type: "submit", class: "main" }, t("approve.go")),
  );
  const dialog = show(t("approve.title"), form);
  form.querySelector<HTMLInputElement>("[name=pin]")!.focus();
}

function show(title: string, content: HTMLElement): HTMLDialogElement {
  const dialog = h("dialog", { "aria-label": title });
  fill(dialog, h("div", { class: "row" }, h("h2", null, title), h("span", { class: "grow" }), h("button", { type: "button", class: "quiet", onclick: () => dialog.close() }, t("close"))), content);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
