// A closed tube through points: what a path and its safety margin look like in 3D.

import { type Point, cross, minus, plus, unit } from "./space";

const SECTIONS = 20;

export function tube(way: Point[], radius: number): { points: Float32Array; triangles: Uint32Array } {
  const points: number[] = [];
  const triangles: number[] = [];
  for (let n = 0; n + 1 < way.length; n++) {
    const along = unit(minus(way[n + 1], way[n]));
    const beside: Point = Math.abs(along[2]) < 0.9 ? [0, 0, 1] : [1, 0, 0];
    const u = unit(cross(along, beside));
    const v = cross(along, u);
    const first = points.length / 3;
    for (const end of [way[n], way[n + 1]]) {
      for (let k = 0; k < SECTIONS; k++) {
        const a = (2 * Math.PI * k) / SECTIONS;
        points.push(...plus(plus(end, u, radius * Math.cos(a)), v, radius * Math.sin(a)));
      }
      points.push(...end);
    }
    const ring = SECTIONS + 1;
    for (let k = 0; k < SECTIONS; k++) {
      const m = (k + 1) % SECTIONS;
      triangles.push(first + k, first + m, first + ring + k, first + m, first + ring + m, first + ring + k);
      triangles.push(first + SECTIONS, first + m, first + k, first + ring + SECTIONS, first + ring + k, first + ring + m);
    }
  }
  return { points: new Float32Array(points), triangles: new Uint32Array(triangles) };
}
