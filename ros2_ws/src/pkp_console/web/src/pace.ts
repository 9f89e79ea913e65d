// How often the page is drawn: thirty times a second; six times where the processor draws (in software), and after a picture that took
// long a rest that is longer, so that what the room says is taken in at its full rate all the same.

import { drawnInSoftware } from "./software";

const FRAME_MS = 1000 / 60;
const QUICK_MS = 1000 / 30 - FRAME_MS / 2;
const SOFTWARE_MS = 160;
const RESTS = 2;
const LONGEST_REST_MS = 400;

/** From one picture to the next at least, ms. */
export const leastMs = (): number => (drawnInSoftware() ? SOFTWARE_MS : QUICK_MS);

/** How long to rest, ms, after a picture that took so long; nothing where the display's frames are kept up with. */
export const restAfter = (took: number): number => Math.min(LONGEST_REST_MS, RESTS * Math.max(0, took - 1.5 * FRAME_MS));

export class Pace {
  private asked = false;
  private restUntil = 0;

  constructor(private readonly draw: () => void) {}

  /** Something is new: draw it as soon as the pace allows, with whatever else is new by then. */
  ask(): void {
    if (this.asked) return;
    this.asked = true;
    const rest = this.restUntil - performance.now();
    if (rest > 1) setTimeout(() => this.frame(), rest);
    else this.frame();
  }

  private frame(): void {
    requestAnimationFrame(() => {
      this.asked = false;
      const began = performance.now();
      this.restUntil = began + leastMs();
      this.draw();
      // the display asks for the next frame when this one is on it
      requestAnimationFrame(() => {
        const now = performance.now();
        this.restUntil = Math.max(this.restUntil, now + restAfter(now - began));
      });
    });
  }
}
