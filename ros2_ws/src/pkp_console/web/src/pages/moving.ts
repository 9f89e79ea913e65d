// A path being moved: asked about one at a time, the newest place wins, so an answer is never about an old one for long.

import { Refusal, post } from "../api";
import type { PathRecord } from "../plan";
import type { Point } from "../space";

export type End = "entry" | "target";
export interface Judged {
  path: PathRecord | null;
  objections: string[];
  plan_hash: string | null;
}

export class Moving {
  ready = false;
  entry: Point;
  target: Point;
  judged: Judged | null = null;
  refused: { code: string; message: string } | null = null;
  ms: number | null = null;
  readonly latencies: number[] = [];
  private asking = false;
  private again = false;

  constructor(
    private readonly caseId: string,
    readonly planHash: string,
    readonly path: PathRecord,
    private readonly changed: (what: "place" | "answer") => void,
  ) {
    this.entry = [...path.entry_mm];
    this.target = [...path.target_mm];
  }

  get moved(): boolean {
    const same = (a: Point, b: Point) => a.every((c, n) => Math.abs(c - b[n]) < 1e-6);
    return !same(this.entry, this.path.entry_mm) || !same(this.target, this.path.target_mm);
  }

  /** What is shown: the judged path where it was moved, else the sealed one. */
  get shown(): PathRecord | null {
    return this.moved ? (this.judged?.path ?? null) : this.path;
  }

  get allowed(): boolean {
    return this.moved && !this.asking && this.judged?.path != null && this.judged.objections.length === 0;
  }

  put(end: End, place: Point): void {
    this[end] = place;
    void this.ask();
    this.changed("place");
  }

  back(): void {
    this.entry = [...this.path.entry_mm];
    this.target = [...this.path.target_mm];
    this.judged = this.refused = this.ms = null;
    this.changed("answer");
  }

  private question(): object {
    return { plan_hash: this.planHash, side: this.path.side, kind: this.path.kind, entry_mm: this.entry, target_mm: this.target };
  }

  async ask(): Promise<void> {
    if (!this.ready) return;
    if (this.asking) return void (this.again = true);
    this.asking = true;
    const began = performance.now();
    try {
      this.judged = await post<Judged>(`/cases/${this.caseId}/paths`, this.question());
      this.refused = null;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.judged = null;
      this.refused = error.facts;
    }
    this.ms = performance.now() - began;
    this.latencies.push(this.ms);
    this.asking = false;
    if (this.again) {
      this.again = false;
      void this.ask();
    }
    this.changed("answer");
  }

  async keep(): Promise<Judged> {
    return post<Judged>(`/cases/${this.caseId}/revisions`, this.question());
  }
}
