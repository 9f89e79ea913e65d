// Room, alignment and injection: their place, and the live readings they will draw.

import { fill, h } from "../dom";
import { listen, reading, snapshot } from "../live";
import type { Shell } from "../shell";
import { t } from "../words";

export function laterPage(shell: Shell, page: string): () => void {
  const table = h("tbody");
  fill(
    shell.main,
    h(
      "section",
      { class: "page" },
      h("h1", null, t(`nav.${page}`)),
      h("p", { class: "soft" }, t("later")),
      h("table", { class: "readings" }, h("thead", null, h("tr", null, [t("live.topic"), t("live.age"), t("live.count")].map((c) => h("th", { scope: "col" }, c)))), table),
    ),
  );
  return listen(() => {
    const topics = Object.keys(snapshot()?.topics ?? {}).sort();
    fill(
      table,
      topics.length
        ? topics.map((name) => {
            const r = reading(name)!;
            return h("tr", { class: r.stale ? "stale" : null }, h("td", null, name), h("td", { class: "num" }, `${Math.round(r.age_ms)} ms`), h("td", { class: "num" }, r.count));
          })
        : h("tr", null, h("td", { colspan: 3, class: "soft" }, t("live.none"))),
    );
  });
}
