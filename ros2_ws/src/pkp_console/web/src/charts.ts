// Curves over the last seconds (uPlot), with bands for limits.

import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { clock, replaying } from "./live";

const INK = "#a3b4c4";
const LINE = "#2c3a47";

export interface Band {
  from: number;
  to: number;
  colour: string;
}

export class Trace {
  private readonly data: [number[], ...(number | null)[][]];
  private readonly plot: uPlot;
  private readonly observer: ResizeObserver;
  bands: Band[] = [];

  /** `series`: label and colour of each curve. `range`: of the axis, widened where a value needs it. */
  constructor(
    private readonly box: HTMLElement,
    private readonly seconds: number,
    unit: string,
    series: [string, string][],
    private readonly range: [number, number],
  ) {
    this.data = [[], ...series.map(() => [])] as unknown as [number[], ...(number | null)[][]];
    this.plot = new uPlot(
      {
        width: Math.max(200, box.clientWidth),
        height: Math.max(90, box.clientHeight),
        cursor: { show: false },
        legend: { show: false },
        select: { show: false, left: 0, top: 0, width: 0, height: 0 },
        scales: { x: { time: false }, y: { range: (_, low, high) => this.spread(low, high) } },
        axes: [
          { stroke: INK, grid: { stroke: LINE, width: 1 }, ticks: { show: false }, size: 26, splits: (_, __, from, to, step) => this.marks(from, to, step), values: (_, at) => at.map((v) => `${Math.round(v - this.now())} s`) },
          { stroke: INK, grid: { stroke: LINE, width: 1 }, ticks: { show: false }, size: 52, label: unit, labelSize: 16 },
        ],
        series: [{}, ...series.map(([label, stroke]) => ({ label, stroke, width: 2, spanGaps: false, points: { show: false } }))],
        hooks: { drawClear: [(plot) => this.paint(plot)] },
      },
      this.data as uPlot.AlignedData,
      box,
    );
    this.observer = new ResizeObserver(() => this.plot.setSize({ width: Math.max(200, box.clientWidth), height: Math.max(90, box.clientHeight) }));
    this.observer.observe(box);
  }

  push(values: (number | null)[]): void {
    const now = clock();
    const times = this.data[0];
    const last = times[times.length - 1];
    if (last !== undefined && (now < last || now - last > this.seconds)) this.data.forEach((d) => (d.length = 0));
    if (replaying() && last === now) return;
    times.push(now);
    values.forEach((v, i) => (this.data[i + 1] as (number | null)[]).push(v));
    let drop = 0;
    while (times[drop] < now - this.seconds) drop++;
    if (drop) this.data.forEach((d) => d.splice(0, drop));
    this.plot.setData(this.data as uPlot.AlignedData, false);
    this.plot.batch(() => {
      this.plot.setScale("x", { min: now - this.seconds, max: now });
    });
  }

  /** A whole course at once, from 0 on. */
  show(times: number[], values: (number | null)[][]): void {
    this.plot.setData([times, ...values] as uPlot.AlignedData, true);
  }

  destroy(): void {
    this.observer.disconnect();
    this.plot.destroy();
    this.box.replaceChildren();
  }

  private now(): number {
    const times = this.data[0];
    return times.length ? times[times.length - 1] : 0;
  }

  /** Whole steps from now, which stand still while the curve moves on. */
  private marks(from: number, to: number, step: number): number[] {
    const now = this.now();
    const first = Math.ceil((from - now) / step);
    return Array.from({ length: Math.floor((to - now) / step) - first + 1 }, (_, n) => now + (first + n) * step);
  }

  private spread(low: number | null | undefined, high: number | null | undefined): [number, number] {
    const a = Math.min(this.range[0], low ?? this.range[0]);
    const b = Math.max(this.range[1], high ?? this.range[1]);
    return [a, b + (b - a) * 0.04];
  }

  private paint(plot: uPlot): void {
    const { left, width, top, height } = plot.bbox;
    plot.ctx.save();
    for (const band of this.bands) {
      const a = Math.max(top, plot.valToPos(band.to, "y", true));
      const b = Math.min(top + height, plot.valToPos(band.from, "y", true));
      if (b <= a) continue;
      plot.ctx.fillStyle = band.colour;
      plot.ctx.fillRect(left, a, width, b - a);
    }
    plot.ctx.restore();
  }
}
