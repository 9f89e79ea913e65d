// The server speaks ct_lps, the viewer RAS: the one place of the page where one becomes the other.

export type Point = [number, number, number];

export const turned = (p: readonly number[]): Point => [-p[0], -p[1], p[2]];

export const minus = (a: Point, b: Point): Point => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
export const plus = (a: Point, b: Point, k = 1): Point => [a[0] + k * b[0], a[1] + k * b[1], a[2] + k * b[2]];
export const dot = (a: Point, b: Point): number => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
export const cross = (a: Point, b: Point): Point => [
  a[1] * b[2] - a[2] * b[1],
  a[2] * b[0] - a[0] * b[2],
  a[0] * b[1] - a[1] * b[0],
];
export const length = (a: Point): number => Math.hypot(...a);
export const unit = (a: Point): Point => {
  const n = length(a) || 1;
  return [a[0] / n, a[1] / n, a[2] / n];
};
