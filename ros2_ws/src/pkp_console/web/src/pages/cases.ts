// The case list, and import by drag and drop.

import { type Facts, Refusal, ask, get, me, post } from "../api";
import { fill, h } from "../dom";
import { type Job, listen } from "../live";
import type { CaseLine } from "../plan";
import { type Shell, verdictChip } from "../shell";
import { number, refusal, t } from "../words";

const PARALLEL = 4;

export function casesPage(shell: Shell): () => void {
  const list = h("ul", { class: "cases" });
  const work = h("div", { class: "work", role: "status" });
  const mayImport = me()!.role !== "viewer";
  const picker = h("input", { type: "file", multiple: true, hidden: true, onchange: () => void send([...(picker.files ?? [])]) });
  const xrayPicker = h("input", { type: "file", multiple: true, hidden: true, accept: ".dcm,application/dicom", onchange: () => void send([...(xrayPicker.files ?? [])], "xray") });
  const drop = h(
    "div",
    {
      class: "drop",
      ondragover: (e: DragEvent) => (e.preventDefault(), drop.classList.add("over")),
      ondragleave: () => drop.classList.remove("over"),
      ondrop: async (e: DragEvent) => {
        e.preventDefault();
        drop.classList.remove("over");
        await send(await dropped(e.dataTransfer!));
      },
    },
    h("strong", null, t("import.drop")),
    h("span", { class: "soft" }, t("import.kinds")),
    h("button", { type: "button", onclick: () => picker.click() }, t("import.choose")),
    h("button", { type: "button", onclick: () => xrayPicker.click() }, t("import.xrays")),
    picker,
    xrayPicker,
  );
  fill(shell.main, h("section", { class: "page" }, h("h1", null, t("cases.title")), mayImport ? drop : null, work, list));

  let xrays = new Set<string>();
  const address = (id: string): string => `#/${xrays.has(id) ? "xray" : "case"}/${id}`;
  let sending = "";
  let pending: { id: string; job: string } | null = null;
  let chosen: Record<string, number> = {};
  let shown = "";

  async function send(files: File[], known?: "xray"): Promise<void> {
    if (!files.length) return;
    const first = files[0].name.toLowerCase();
    const one = files.length === 1;
    const kind = known ? known : one && first.endsWith(".zip") ? "zip" : one && first.endsWith(".nii.gz") ? "nii.gz" : one && first.endsWith(".nii") ? "nii" : "dicom";
    try {
      chosen = {};
      const { import_id } = await post<{ import_id: string }>("/imports", { kind });
      const path = `/imports/${import_id}`;
      let next = 0;
      const worker = async () => {
        while (next < files.length) {
          const n = next++;
          sending = t("import.sending", { n: n + 1, of: files.length });
          drawWork([]);
          await ask("PUT", `${path}/parts/${n + 1}`, undefined, files[n]);
        }
      };
      try {
        await Promise.all(Array.from({ length: PARALLEL }, worker));
      } catch (error) {
        await ask("DELETE", path).catch(() => null);
        throw error;
      }
      sending = "";
      await finish(import_id);
    } catch (error) {
      sending = "";
      if (!(error instanceof Refusal)) throw error;
      shell.say(refusal(error.facts), true);
      drawWork([]);
    }
  }

  async function finish(id: string, choice: { series?: string; frames?: Record<string, number> } = {}): Promise<void> {
    const job = await shell.tell(post<Job>(`/imports/${id}/finish`, choice));
    if (job) pending = { id, job: job.id };
  }

  function drawWork(jobs: Job[]): void {
    const key = JSON.stringify([sending, jobs]);
    if (key === shown) return;
    shown = key;
    fill(work, sending ? h("p", { class: "job" }, sending) : null, jobs.filter((j) => j.kind === "import" || j.state === "running").slice(-4).map(line));
  }

  function line(job: Job): HTMLElement {
    const running = job.state === "running" || job.state === "waiting";
    const series = (job.refusal?.series ?? []) as { number?: string; uid?: string; slices?: number; spacing_mm?: number[] }[];
    return h(
      "div",
      { class: `job ${job.state}` },
      h("strong", null, t(`job.${job.kind}`)),
      h("span", null, running ? t(`stage.${job.stage || job.state}`) : t(`state.${job.state}`)),
      h("span", { class: "num soft" }, `${job.elapsed_s.toFixed(0)} s`),
      job.refusal ? h("p", { class: "problem" }, refusal(job.refusal as Facts)) : null,
      pending?.job === job.id && series.length
        ? h("div", { class: "row" }, series.map((s) => h("button", { type: "button", onclick: () => void finish(pending!.id, { series: String(s.uid ?? s.number) }) }, t("import.series", { n: s.number ?? "?", slices: s.slices ?? "?" }))))
        : null,
      pending?.job === job.id && job.refusal?.runs ? runs(pending.id, job.refusal.runs as Record<string, number>) : null,
      job.state === "done" && job.kind === "import" ? h("a", { class: "button", href: address(job.result!) }, t("cases.open")) : null,
      running ? h("button", { type: "button", class: "quiet", onclick: () => void shell.tell(ask("DELETE", `/jobs/${job.id}`)) }, t("cancel")) : null,
    );
  }

  /** One frame of each run of X-rays, chosen by what it shows. */
  function runs(id: string, counts: Record<string, number>): HTMLElement {
    const run = ([name, count]: [string, number]): HTMLElement => {
      chosen[name] ??= Math.floor(count / 2);
      const address = (): string => `/api/imports/${id}/frames/${name}/${chosen[name]}`;
      const words = (): string => t("import.frame", { name, n: chosen[name], last: count - 1 });
      const shown = h("img", { src: address(), alt: "" });
      const said = h("figcaption", { class: "num" }, words());
      const slider = h("input", { type: "range", min: 0, max: count - 1, value: chosen[name], "aria-label": t("xray.picture", { name }), oninput: () => ((chosen[name] = Number(slider.value)), fill(said, words())), onchange: () => (shown.src = address()) });
      return h("figure", { class: "run" }, shown, slider, said);
    };
    return h("div", { class: "row wrap runs" }, Object.entries(counts).map(run), h("button", { type: "button", class: "main", onclick: () => void finish(id, { frames: chosen }) }, t("import.frames")));
  }

  async function load(): Promise<void> {
    const cases = await shell.tell(get<CaseLine[]>("/cases"));
    if (!cases) return;
    xrays = new Set(cases.filter((c) => c.xrays).map((c) => c.id));
    fill(list, cases.length ? cases.map(entry) : h("li", { class: "soft" }, t("cases.none")));
  }

  let finished = "";
  const leave = listen((now) => {
    const jobs = now?.jobs ?? [];
    drawWork(jobs);
    const done = jobs.filter((j) => j.state === "done").map((j) => j.id).join();
    if (done !== finished) void load().then(() => ((shown = ""), drawWork(jobs)));
    finished = done;
  });
  void load();
  return leave;
}

function entry(c: CaseLine): HTMLElement {
  return h(
    "li",
    null,
    h(
      "a",
      { class: "card case", href: `#/${c.xrays ? "xray" : "case"}/${c.id}` },
      c.thumbnail ? h("img", { src: `/api/cases/${c.id}/files/thumbnail`, alt: "", loading: "lazy" }) : h("span", { class: "blank" }, c.xrays ? t("cases.xrays") : c.has_ct ? "" : t("cases.no_ct")),
      h(
        "span",
        { class: "facts" },
        h("strong", null, c.plan ? `${c.plan.level} ` : "", c.id),
        c.plan ? verdictChip(c.plan.verdict) : h("span", { class: "chip" }, t("cases.unplanned")),
        c.plan ? h("span", { class: "num" }, `${number(c.plan.recommended_ml)} ml (${number(c.plan.recommended_ml_low)}–${number(c.plan.recommended_ml_high)})`) : null,
        c.problem ? h("span", { class: "problem" }, refusal(c.problem)) : null,
        h("span", { class: "soft small" }, new Date(c.changed).toLocaleString(), c.plan ? ` · ${c.plan.plan_hash.slice(0, 12)}` : "", c.revisions ? ` · ${t("cases.revisions", { n: c.revisions })}` : ""),
      ),
    ),
  );
}

/** Files of a drop, folders walked through. */
async function dropped(data: DataTransfer): Promise<File[]> {
  const entries = [...data.items].map((i) => i.webkitGetAsEntry()).filter((e): e is FileSystemEntry => e !== null);
  const walk = async (e: FileSystemEntry): Promise<File[]> => {
    if (e.isFile) return [await new Promise<File>((ok, no) => (e as FileSystemFileEntry).file(ok, no))];
    const reader = (e as FileSystemDirectoryEntry).createReader();
    const found: FileSystemEntry[] = [];
    for (;;) {
      const some = await new Promise<FileSystemEntry[]>((ok, no) => reader.readEntries(ok, no));
      if (!some.length) break;
      found.push(...some);
    }
    return (await Promise.all(found.map(walk))).flat();
  };
  const files = (await Promise.all(entries.map(walk))).flat();
  return files.filter((f) => !f.name.startsWith(".") && f.name !== "DICOMDIR");
}
