// Axes of a 3×3 symmetric matrix by Jacobi's rotations: for the ellipsoid of an error.

import { Vector3 } from "three";

export function eigen(rows: number[]): { values: number[]; vectors: Vector3[] } {
  const a = [rows.slice(0, 3), rows.slice(3, 6), rows.slice(6, 9)].map((r) => r.map((v) => v || 0));
  const v = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
  for (let sweep = 0; sweep < 32; sweep++) {
    const off = Math.hypot(a[0][1], a[0][2], a[1][2]);
    if (off < 1e-14 * Math.hypot(a[0][0], a[1][1], a[2][2])) break;
    for (const [p, q] of [[0, 1], [0, 2], [1, 2]]) {
      if (a[p][q] === 0) continue;
      const turn = 0.5 * Math.atan2(2 * a[p][q], a[q][q] - a[p][p]);
      const c = Math.cos(turn);
      const s = Math.sin(turn);
      for (let k = 0; k < 3; k++) [a[k][p], a[k][q]] = [c * a[k][p] - s * a[k][q], s * a[k][p] + c * a[k][q]];
      for (let k = 0; k < 3; k++) [a[p][k], a[q][k]] = [c * a[p][k] - s * a[q][k], s * a[p][k] + c * a[q][k]];
      for (let k = 0; k < 3; k++) [v[k][p], v[k][q]] = [c * v[k][p] - s * v[k][q], s * v[k][p] + c * v[k][q]];
    }
  }
  return { values: [a[0][0], a[1][1], a[2][2]], vectors: [0, 1, 2].map((n) => new Vector3(v[0][n], v[1][n], v[2][n])) };
}
