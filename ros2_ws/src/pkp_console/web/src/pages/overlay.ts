// Paths and their handles over the slices: lines fade with their distance from the slice, rings can be dragged.

import { type PathRecord, nearness } from "../plan";
import { type Point, turned } from "../space";
import { type Tile, type Viewer, lift, project, within } from "../viewer";
import type { End, Moving } from "./moving";

const GRAB_PX = 16;
const FADE_MM = 12;
export const SHADES = { good: "#4ade80", little: "#fbbf24", none: "#ff6b6b", plain: "#8fa3b5" };

export interface Shown {
  paths: PathRecord[];
  chosen: Moving | null;
  wanted: number;
  visible: boolean;
  titles: Record<number, string>;
}

export class Overlay {
  private held: { end: End; tile: Tile } | null = null;

  constructor(
    private readonly viewer: Viewer,
    private readonly canvas: HTMLCanvasElement,
    stage: HTMLElement,
    private readonly shown: () => Shown,
  ) {
    for (const kind of ["pointerdown", "mousedown", "touchstart"]) stage.addEventListener(kind, (e) => this.press(e), { capture: true, passive: false });
    window.addEventListener("pointermove", (e) => this.drag(e));
    window.addEventListener("pointerup", () => (this.held = null));
    window.addEventListener("pointercancel", () => (this.held = null));
  }

  draw(): void {
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth: w, clientHeight: hgt } = this.canvas;
    if (this.canvas.width !== w * ratio || this.canvas.height !== hgt * ratio) {
      this.canvas.width = w * ratio;
      this.canvas.height = hgt * ratio;
    }
    const g = this.canvas.getContext("2d")!;
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.clearRect(0, 0, w, hgt);
    const { paths, chosen, wanted, visible, titles } = this.shown();
    const at = turned(this.viewer.crosshair());
    for (const tile of this.viewer.tiles()) {
      const [left, top, width, height] = tile.box;
      g.save();
      g.beginPath();
      g.rect(left, top, width, height);
      g.clip();
      g.font = "600 12px system-ui, sans-serif";
      g.fillStyle = "#c9d6e2";
      g.fillText(titles[tile.kind] ?? "", left + 8, top + 16);
      if (visible) {
        for (const path of paths) if (!chosen || path !== chosen.path) this.line(g, tile, at, path.waypoints_mm, SHADES.plain, path.diameter_mm, 0.5);
        if (chosen) this.chosenPath(g, tile, at, chosen, wanted);
      }
      g.restore();
    }
  }

  private chosenPath(g: CanvasRenderingContext2D, tile: Tile, at: Point, moving: Moving, wanted: number): void {
    const record = moving.shown;
    const bad = moving.refused || moving.judged?.objections.length;
    const shade = bad ? SHADES.none : record ? SHADES[nearness(record.clearance_mm, wanted)] : SHADES.plain;
    const way: Point[] = moving.moved ? [moving.entry, moving.target] : moving.path.waypoints_mm;
    const mm = Math.abs(tile.box[2] / tile.span[0]); // a mirrored slice runs backwards
    g.lineCap = "round";
    this.line(g, tile, at, way, shade, (moving.path.diameter_mm + 2 * wanted), 0.22);
    this.line(g, tile, at, way, shade, moving.path.diameter_mm, 0.85);
    for (const end of ["entry", "target"] as End[]) {
      const p = project(tile, turned(moving[end]), at);
      g.globalAlpha = Math.max(0.35, 1 - p.off / (2 * FADE_MM));
      g.beginPath();
      g.arc(p.x, p.y, Math.max(7, (moving.path.diameter_mm / 2) * mm + 3), 0, 2 * Math.PI);
      g.lineWidth = 4;
      g.strokeStyle = "#05080b";
      g.stroke();
      g.lineWidth = 2;
      g.strokeStyle = end === "entry" ? "#ffffff" : shade;
      g.stroke();
      if (end === "target") {
        g.beginPath();
        g.arc(p.x, p.y, 2.5, 0, 2 * Math.PI);
        g.fillStyle = "#ffffff";
        g.fill();
      }
      g.globalAlpha = 1;
    }
  }

  private line(g: CanvasRenderingContext2D, tile: Tile, at: Point, lps: Point[], shade: string, wide: number, strength: number): void {
    const mm = Math.abs(tile.box[2] / tile.span[0]); // a mirrored slice runs backwards
    g.strokeStyle = shade;
    g.lineWidth = Math.max(1.5, wide * mm);
    for (let n = 0; n + 1 < lps.length; n++) {
      const a = project(tile, turned(lps[n]), at);
      const b = project(tile, turned(lps[n + 1]), at);
      const fade = g.createLinearGradient(a.x, a.y, b.x, b.y);
      const alpha = (off: number) => strength * Math.max(0.12, 1 - off / FADE_MM);
      const hex = (v: number) => Math.round(255 * v).toString(16).padStart(2, "0");
      // where the line passes the slice between its ends it is nearest there
      for (let s = 0; s <= 4; s++) {
        const p = lps[n].map((c, k) => c + (s / 4) * (lps[n + 1][k] - c)) as Point;
        fade.addColorStop(s / 4, shade + hex(alpha(project(tile, turned(p), at).off)));
      }
      g.strokeStyle = fade;
      g.beginPath();
      g.moveTo(a.x, a.y);
      g.lineTo(b.x, b.y);
      g.stroke();
    }
  }

  private place(event: Event): { x: number; y: number } | null {
    const box = this.canvas.getBoundingClientRect();
    const at = event instanceof MouseEvent ? event : (event as TouchEvent).touches?.[0];
    return at ? { x: at.clientX - box.left, y: at.clientY - box.top } : null;
  }

  private press(event: Event): void {
    if (this.held && event.type !== "pointerdown") return this.swallow(event);
    const { chosen, visible } = this.shown();
    const p = this.place(event);
    if (!p || !visible || !chosen?.ready || event.type !== "pointerdown") return;
    const at = turned(this.viewer.crosshair());
    const tile = this.viewer.tiles().find((one) => within(one, p.x, p.y));
    if (!tile) return;
    const near = (["entry", "target"] as End[])
      .map((end) => ({ end, ...project(tile, turned(chosen[end]), at) }))
      .map((e) => ({ ...e, d: Math.hypot(e.x - p.x, e.y - p.y) }))
      .filter((e) => e.d < GRAB_PX)
      .sort((a, b) => a.d - b.d)[0];
    if (!near) return;
    this.held = { end: near.end, tile };
    this.swallow(event);
  }

  private drag(event: PointerEvent): void {
    const chosen = this.shown().chosen;
    const p = this.place(event);
    if (!this.held || !chosen || !p) return;
    const { end, tile } = this.held;
    chosen.put(end, turned(lift(tile, p.x, p.y, turned(chosen[end]))));
  }

  private swallow(event: Event): void {
    event.stopPropagation();
    event.preventDefault();
  }
}
