// Sign in; with a one-time PIN, choose one of one's own first.

import { Refusal, type Session, me, post, setMe } from "../api";
import { fill, h } from "../dom";
import { choose, chosen, languages, refusal, t } from "../words";

export function signInPage(root: HTMLElement, done: () => void): void {
  const problem = h("p", { class: "problem", role: "alert" });
  const changing = me()?.one_time === true;
  const field = (id: string, type: string, complete: string) =>
    h("label", null, t(`signin.${id}`), h("input", { name: id, type, required: true, autocomplete: complete, maxlength: 64 }));
  const form = h(
    "form",
    {
      class: "card signin",
      onsubmit: async (event: Event) => {
        event.preventDefault();
        const given = Object.fromEntries(new FormData(form)) as Record<string, string>;
        fill(problem);
        if (changing && given.new !== given.again) return fill(problem, t("signin.differ"));
        try {
          const session = changing
            ? await post<Session>("/session/pin", { old: given.old, new: given.new })
            : await post<Session>("/session", { name: given.name, pin: given.pin });
          setMe(session);
          done();
        } catch (error) {
          if (!(error instanceof Refusal)) throw error;
          fill(problem, refusal(error.facts));
        }
      },
    },
    h("h1", null, "OpenPKP"),
    h("p", { class: "soft" }, changing ? t("signin.change") : t("signin.lead")),
    changing
      ? [field("old", "password", "current-password"), field("new", "password", "new-password"), field("again", "password", "new-password")]
      : [field("name", "text", "username"), field("pin", "password", "current-password")],
    problem,
    h("button", { type: "submit", class: "main" }, changing ? t("signin.keep") : t("signin.go")),
    h(
      "select",
      { "aria-label": t("language"), onchange: (e: Event) => (choose((e.target as HTMLSelectElement).value), signInPage(root, done)) },
      languages().map((l) => h("option", { value: l, selected: l === chosen() }, t(`language.${l}`))),
    ),
    h("p", { class: "soft small" }, t("disclaimer")),
  );
  fill(root, h("main", { class: "alone" }, form));
  form.querySelector("input")?.focus();
}
