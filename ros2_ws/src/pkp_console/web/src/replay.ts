// A recorded procedure on a time bar: moments are asked for one at a time, the newest wish wins, and shown as the room would be.

import { get } from "./api";
import { fill, h } from "./dom";
import { type Moment, showMoment } from "./live";
import { setRecordedCase } from "./procedure";
import { t } from "./words";

const STEP_MS = 100;
const SPEEDS = [1, 4, 16];

export interface Course {
  case_path: string;
  plan_hash: string;
  level: string;
  seconds: number;
  finished: boolean;
  stays: { phase: number; side: string; from: number; until: number }[];
  stops: { at_s: number; epoch: number; reason: string }[];
  registrations: { at_s: number; accepted: boolean; check_mm: number | null; rms_mm: number | null; fiducials: number; bounds_mm: Record<string, number>; message: string }[];
  position: Record<string, Curve>;
  delivery: Record<string, Curve>;
  delivered_ml: Record<string, number>;
}
export interface Curve {
  seconds: number[];
  values: (number | null)[][];
}

class Player {
  readonly element = h("section", { class: "replay" });
  run = "";
  course: Course | null = null;
  private seconds = 0;
  private speed = 1;
  private playing = 0;
  private asking = false;
  private readonly slide = h("input", { type: "range", min: 0, step: 0.1, oninput: () => this.go(Number(this.slide.value)) });
  private readonly said = h("span", { class: "num" });
  private readonly play = h("button", { type: "button", onclick: () => (this.playing ? this.pause() : this.start()) });

  get open(): boolean {
    return this.course !== null;
  }

  begin(run: string, course: Course): void {
    this.run = run;
    this.course = course;
    setRecordedCase(course.case_path);
    this.slide.max = String(course.seconds);
    this.show();
    this.go(0);
  }

  end(): void {
    this.pause();
    this.course = null;
    showMoment(null);
    fill(this.element);
  }

  show(): void {
    if (!this.course) return fill(this.element);
    this.slide.setAttribute("aria-label", t("replay.time"));
    const stops = this.course.stops.map((s) => h("button", { type: "button", class: "quiet small", onclick: () => this.go(Math.max(0, s.at_s - 2)) }, t("replay.stop", { n: s.epoch })));
    fill(
      this.element,
      h("strong", null, t("replay.title", { run: this.run })),
      this.play,
      h("select", { "aria-label": t("replay.speed"), onchange: (e: Event) => void (this.speed = Number((e.target as HTMLSelectElement).value)) }, SPEEDS.map((s) => h("option", { value: s, selected: s === this.speed }, `${s}×`))),
      this.slide,
      this.said,
      stops,
      h("button", { type: "button", onclick: () => this.end() }, t("replay.end")),
    );
    this.draw();
  }

  go(seconds: number): void {
    this.seconds = Math.max(0, Math.min(seconds, this.course?.seconds ?? 0));
    this.draw();
    void this.look();
  }

  private start(): void {
    if (this.seconds >= (this.course?.seconds ?? 0)) this.seconds = 0;
    this.playing = window.setInterval(() => {
      this.go(this.seconds + (STEP_MS / 1000) * this.speed);
      if (this.seconds >= (this.course?.seconds ?? 0)) this.pause();
    }, STEP_MS);
    this.draw();
  }

  private pause(): void {
    clearInterval(this.playing);
    this.playing = 0;
    this.draw();
  }

  private draw(): void {
    this.slide.value = String(this.seconds);
    this.play.textContent = t(this.playing ? "replay.pause" : "replay.play");
    this.said.textContent = `${this.seconds.toFixed(1)} / ${(this.course?.seconds ?? 0).toFixed(0)} s`;
  }

  private async look(): Promise<void> {
    if (this.asking) return;
    this.asking = true;
    try {
      for (let wanted = -1; this.course && wanted !== this.seconds; ) {
        wanted = this.seconds;
        const moment = await get<Moment>(`/runs/${encodeURIComponent(this.run)}/at/${wanted.toFixed(2)}`);
        if (this.course) showMoment(moment);
      }
    } catch {
      this.pause();
    } finally {
      this.asking = false;
    }
  }
}

export const player = new Player();
