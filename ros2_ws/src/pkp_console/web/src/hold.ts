// The hold-to-run button. It is pressed only while a finger (or the Enter key) is on it, the page has the focus and is seen, and the
// server's snapshots keep coming; whatever ends one of these lets go, and it must be pressed anew.

import { h } from "./dom";
import { replaying, send, silentMs, snapshot } from "./live";
import { t } from "./words";

const PRESS_MS = 50;
const SILENT_MS = 400;
const TAKEN_MS = 600;

export interface HoldOf {
  side: string;
  epoch: number;
}

export class HoldButton {
  readonly element = h("button", { type: "button", class: "hold", "aria-pressed": "false" });
  /** Why it was let go last: released, left, blurred, hidden, silent, refused, or empty while it is held. */
  why = "released";
  private static grips = Math.floor(Date.now());
  private grip = 0;
  private began = 0;
  private timer = 0;
  private ended: (() => void)[] = [];

  /** `of`: side and epoch to press for, null while there is nothing to hold for. */
  constructor(private readonly of: () => HoldOf | null) {
    const on = (target: EventTarget, name: string, f: (e: Event) => void) => {
      target.addEventListener(name, f);
      this.ended.push(() => target.removeEventListener(name, f));
    };
    const button = this.element;
    on(button, "pointerdown", (e) => {
      if ((e as PointerEvent).button !== 0 || !(e as PointerEvent).isPrimary) return;
      button.releasePointerCapture?.((e as PointerEvent).pointerId); // a finger that slides off must be seen leaving
      this.press();
    });
    on(button, "keydown", (e) => {
      if ((e as KeyboardEvent).key !== "Enter") return;
      e.preventDefault();
      if (!(e as KeyboardEvent).repeat) this.press();
    });
    on(button, "keyup", (e) => (e as KeyboardEvent).key === "Enter" && this.release("released"));
    on(button, "contextmenu", (e) => e.preventDefault());
    on(button, "pointerup", () => this.release("released"));
    on(button, "pointercancel", () => this.release("left"));
    on(button, "pointerleave", () => this.release("left"));
    on(button, "blur", () => this.release("blurred"));
    on(window, "blur", () => this.release("blurred"));
    on(window, "pagehide", () => this.release("hidden"));
    on(document, "visibilitychange", () => document.hidden && this.release("hidden"));
    on(document, "freeze", () => this.release("hidden"));
  }

  get held(): boolean {
    return this.timer !== 0;
  }

  destroy(): void {
    this.release("hidden");
    this.ended.forEach((f) => f());
  }

  private press(): void {
    if (this.held || !this.of() || replaying() || this.element.disabled) return;
    this.element.focus();
    this.grip = ++HoldButton.grips;
    this.began = performance.now();
    this.why = "";
    this.timer = window.setInterval(() => this.say(), PRESS_MS);
    this.draw();
    this.say();
  }

  private say(): void {
    const wanted = this.of();
    if (silentMs() > SILENT_MS) return this.release("silent");
    if (!document.hasFocus()) return this.release("blurred");
    if (!wanted || this.element.disabled) return this.release("refused");
    if (performance.now() - this.began > TAKEN_MS && !snapshot()?.holding) return this.release("refused");
    send({ hold: { grip: this.grip, side: wanted.side, epoch: wanted.epoch, at: snapshot()!.at } });
  }

  private release(why: string): void {
    if (!this.held) return;
    clearInterval(this.timer);
    this.timer = 0;
    this.why = why;
    send({ release: this.grip });
    this.draw();
  }

  private draw(): void {
    this.element.setAttribute("aria-pressed", String(this.held));
    this.element.title = t("hold.title");
  }
}
