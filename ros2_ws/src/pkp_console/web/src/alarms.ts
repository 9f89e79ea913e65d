// Alarms by the priorities of IEC 60601-1-8: colour, flashing, text, and bursts of sound; acknowledging ends the sound.

import { post } from "./api";
import { fill, h } from "./dom";
import { linked, listen, snapshot } from "./live";
import { t } from "./words";

export type Priority = "high" | "medium" | "low";
export interface Alarm {
  code: string;
  priority: Priority;
  data: Record<string, string | number>;
  held_s: number;
  acknowledged_by: string;
}
/** Pulses of one burst (s after its start; the high one is played twice), and how long until the next. */
const BURSTS: Record<Priority, { pulses: number[]; hertz: number[]; every: number }> = {
  high: { pulses: [0, 0.2, 0.4, 0.75, 0.95, 1.6, 1.8, 2.0, 2.35, 2.55], hertz: [523, 659, 784, 784, 1047, 523, 659, 784, 784, 1047], every: 6 },
  medium: { pulses: [0, 0.35, 0.7], hertz: [523, 659, 784], every: 12 },
  low: { pulses: [0, 0.4], hertz: [659, 523], every: 30 },
};
const PULSE_S = 0.15;
const LINK = "link_lost";

/** In words: the code's text, filled with its numbers; of a code with a dot also the first part's text. */
export function alarmText(alarm: { code: string; data: Record<string, string | number> }): string {
  const key = `alarm.${alarm.code}`;
  const text = t(key, alarm.data);
  return text === key ? t(`alarm.${alarm.code.split(".")[0]}`, alarm.data) : text;
}

export class AlarmBar {
  readonly element = h("div", { class: "alarms", role: "alert", "aria-live": "assertive" });
  private shown = "";
  private sound: AudioContext | null = null;
  private nextAt = 0;
  private sounding: Priority | null = null;
  private wasSupervised = false;
  private linkSeen = false;

  constructor() {
    // a browser lets a page be heard only after its user has touched it
    for (const name of ["pointerdown", "keydown"]) window.addEventListener(name, () => this.wake(), { capture: true });
    listen(() => this.draw());
    setInterval(() => this.play(), 250);
  }

  /** What holds now, the link's loss included, which the server cannot tell of. */
  private now(): Alarm[] {
    if (linked()) {
      this.wasSupervised = Boolean(snapshot()?.room.supervised);
      this.linkSeen = false;
    } else if (this.wasSupervised) {
      const by = this.linkSeen ? "·" : "";
      return [{ code: LINK, priority: "high", data: {}, held_s: 0, acknowledged_by: by }];
    }
    return (snapshot()?.topics.alarms?.value.alarms ?? []) as Alarm[]; // of the room, also while a record is replayed
  }

  private draw(): void {
    const alarms = this.now();
    const key = JSON.stringify([alarms.map((a) => [a.code, a.priority, a.data, a.acknowledged_by]), document.documentElement.lang]);
    const loud = alarms.filter((a) => !a.acknowledged_by).map((a) => a.priority);
    const gravest = loud.includes("high") ? "high" : loud.includes("medium") ? "medium" : loud.includes("low") ? "low" : null;
    if (gravest !== this.sounding) this.nextAt = 0;
    this.sounding = gravest;
    if (key === this.shown) return;
    this.shown = key;
    fill(
      this.element,
      alarms.map((a) =>
        h(
          "div",
          { class: `alarm ${a.priority}${a.acknowledged_by ? " seen" : ""}` },
          h("strong", null, t(`priority.${a.priority}`)),
          h("span", { class: "grow" }, alarmText(a)),
          a.acknowledged_by
            ? h("span", { class: "small" }, t("alarm.seen", { name: a.acknowledged_by }))
            : h("button", { type: "button", onclick: () => this.acknowledge(a) }, t("alarm.acknowledge")),
        ),
      ),
    );
  }

  private acknowledge(alarm: Alarm): void {
    if (alarm.code === LINK) {
      this.linkSeen = true;
      this.draw();
    } else void post("/room/alarms/acknowledge", { code: alarm.code }).catch(() => null);
  }

  private wake(): void {
    this.sound ??= new AudioContext();
    if (this.sound.state === "suspended") void this.sound.resume();
  }

  private play(): void {
    if (document.hidden) this.draw(); // a page in the background is not drawn, but heard
    const sound = this.sound;
    if (!this.sounding || !sound || sound.state !== "running" || performance.now() < this.nextAt) return;
    const burst = BURSTS[this.sounding];
    this.nextAt = performance.now() + burst.every * 1000;
    burst.pulses.forEach((at, n) => {
      const tone = sound.createOscillator();
      const loud = sound.createGain();
      const begin = sound.currentTime + 0.02 + at;
      tone.type = "triangle"; // harmonics, which the standard wants so that it can be located
      tone.frequency.value = burst.hertz[n];
      loud.gain.setValueAtTime(0, begin);
      loud.gain.linearRampToValueAtTime(0.4, begin + 0.02);
      loud.gain.setValueAtTime(0.4, begin + PULSE_S - 0.03);
      loud.gain.linearRampToValueAtTime(0, begin + PULSE_S);
      tone.connect(loud).connect(sound.destination);
      tone.start(begin);
      tone.stop(begin + PULSE_S);
    });
  }
}
