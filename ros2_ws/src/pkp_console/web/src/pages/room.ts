// Room: arm, camera, tools and patient live in 3D, what the camera sees, the registration's quality, and what comes next.

import { get } from "../api";
import { fill, h } from "../dom";
import { LOST_MS, node } from "../frames";
import { frames, listen, reading } from "../live";
import { pathOf, planInHand, side } from "../procedure";
import { RoomScene, TOOLS, VIEWS } from "../room/scene";
import type { Shell } from "../shell";
import { number, t, term } from "../words";
import { Controls } from "./controls";

const STATUS = ["ok", "missing", "partly_out", "out", "few_markers", "oblique", "error"];
const SHAPES: [string, string, number][] = [["vertebra", "#d9cdb4", 0.5], ["defect", "#ff8a80", 0.8]];

export function roomPage(shell: Shell, description: () => Promise<string>): () => void {
  const stage = h("div", { class: "stage room-stage" });
  const tools = h("section", { class: "card" });
  const registration = h("section", { class: "card" });
  const devices = h("section", { class: "card" });
  const controls = new Controls(shell);
  const waiting = h("div", { class: "wait" });
  const views = h("div", { class: "bar", role: "group", "aria-label": t("room.views") });
  fill(shell.main, h("div", { class: "plan" }, h("div", { class: "views" }, views, stage), h("aside", { class: "side", "aria-label": t("room.side") }, controls.element, tools, registration, devices)));
  stage.append(waiting);
  const scene = new RoomScene(stage, t("room.canvas"));
  fill(views, VIEWS.map((v) => h("button", { type: "button", onclick: () => scene.look(v) }, t(`room.view.${v}`))));
  let asked = 0;
  let drawnPlan = "";
  let drawnErrors = "";
  let drawnSide = "";

  const describe = (): void => {
    if (scene.known || !Object.keys(frames()).length || performance.now() - asked < 2000) return;
    asked = performance.now();
    void description().then(
      (urdf) => scene.describe(urdf),
      () => null,
    );
  };
  const plan = async (): Promise<void> => {
    const hash = (reading("phase")?.value.plan?.plan_hash ?? "") as string;
    if (!hash || hash === drawnPlan) return;
    drawnPlan = hash;
    const held = await planInHand();
    if (!held || hash !== drawnPlan) return;
    drawnSide = side();
    for (const s of new Set(held.plan.paths.map((p) => p.side))) scene.path(pathOf(held.plan, s)!, s === drawnSide);
    if (!held.case_id) return;
    const facts = await get<{ surfaces: string[] }>(`/cases/${held.case_id}`).catch(() => ({ surfaces: [] as string[] }));
    for (const [kind, colour, opacity] of SHAPES) {
      const name = `${held.plan.level}_${kind}`;
      if (facts.surfaces.includes(name)) void scene.surface(`/api/cases/${held.case_id}/surfaces/${name}`, "ct_lps", colour, opacity);
    }
  };
  const unlisten = listen(() => {
    describe();
    void plan();
    scene.update();
    controls.draw();
    drawTools(tools);
    const errors = reading("registration")?.value.target_errors ?? [];
    const key = JSON.stringify(errors);
    if (key !== drawnErrors) scene.errors(errors);
    drawnErrors = key;
    drawRegistration(registration);
    drawDevices(devices);
    waiting.textContent = Object.keys(frames()).length ? "" : t("room.nothing");
  });
  return () => {
    unlisten();
    scene.destroy();
  };
}

function once(box: HTMLElement, key: unknown, content: () => (Node | null)[]): void {
  const text = JSON.stringify([key, document.documentElement.lang]);
  if (box.dataset.shown === text) return;
  box.dataset.shown = text;
  fill(box, content());
}

function drawTools(box: HTMLElement): void {
  const heard = reading("tools");
  const rows = TOOLS.map((name) => {
    const tool = heard?.value.tools.find((x: any) => x.tool === name);
    const word = heard?.stale ? "stale" : tool ? (STATUS[tool.status] ?? "error") : "missing";
    const seen = word === "ok" && (node(name)?.age ?? Infinity) < LOST_MS;
    return { name, word, seen, rms: tool?.rms ?? null };
  });
  once(box, rows.map((r) => [r.name, r.word, r.seen, number((r.rms ?? 0) * 1000, 2)]), () => [
    h("h2", null, t("room.sight")),
    h(
      "table",
      null,
      h("tbody", null, rows.map((r) => h("tr", null, h("th", { scope: "row" }, h("span", { class: `dot ${r.seen ? "good" : "none"}` }), " ", term("tool", r.name)), h("td", null, term("sight", r.word)), h("td", { class: "num" }, r.rms === null || !r.seen ? "–" : `${number(r.rms * 1000, 2)} mm`)))),
    ),
  ]);
}

function drawRegistration(box: HTMLElement): void {
  const r = reading("registration")?.value;
  once(box, r ?? null, () => {
    if (!r) return [h("h2", null, t("room.registration")), h("p", { class: "soft" }, t("registration.none"))];
    const mm = (v: number | null): string => (v === null ? "–" : `${number(v * 1000, 2)} mm`);
    return [
      h("h2", null, t("room.registration")),
      h("p", { class: r.accepted ? "good-text" : "problem" }, r.accepted ? t("registration.accepted") : t("registration.refused", { why: r.error_msg })),
      h(
        "table",
        null,
        h(
          "tbody",
          null,
          h("tr", null, h("th", { scope: "row" }, t("registration.check")), h("td", { class: "num" }, `${mm(r.check_point_error)} / ${mm(r.check_point_limit)}`)),
          h("tr", null, h("th", { scope: "row" }, t("registration.rms")), h("td", { class: "num" }, mm(r.fiducial_rms))),
          h("tr", null, h("th", { scope: "row" }, t("registration.beads")), h("td", { class: "num" }, t("registration.used", { n: r.fiducials_used, out: r.fiducials_rejected }))),
          r.target_errors.map((e: any) => h("tr", null, h("th", { scope: "row" }, t("registration.bound", { side: term("side", e.side) })), h("td", { class: "num" }, mm(e.bound_95)))),
        ),
      ),
    ];
  });
}

function drawDevices(box: HTMLElement): void {
  const rows = (["arm_state", "injector_state"] as const).map((n) => ({ n, r: reading(n) }));
  const recorder = reading("recorder");
  once(box, [rows.map(({ r }) => [r?.stale, r?.value.state, r?.value.reason]), recorder?.stale, recorder?.value.recording, recorder?.value.error_code], () => [
    h("h2", null, t("room.devices")),
    h(
      "table",
      null,
      h(
        "tbody",
        null,
        rows.map(({ n, r }) => h("tr", { class: r?.stale ? "stale" : null }, h("th", { scope: "row" }, t(`device.${n}`)), h("td", null, r ? t(`device_state.${r.value.state}`) : t("device.silent")), h("td", { class: "small" }, r?.value.reason ?? ""))),
        h("tr", { class: recorder?.stale ? "stale" : null }, h("th", { scope: "row" }, t("device.recorder")), h("td", null, recorder ? t(recorder.value.recording ? "device.recording" : "device.not_recording") : t("device.silent")), h("td", { class: "small" }, recorder?.value.error_msg ?? "")),
      ),
    ),
  ]);
}
