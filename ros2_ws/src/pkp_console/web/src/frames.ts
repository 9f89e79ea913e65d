// The tree of frames: where one is in another, from the newest transforms.

import { Matrix4, Quaternion, Vector3 } from "three";
import { behindMs, frames } from "./live";

export const LOST_MS = 500;
const ONE = new Vector3(1, 1, 1);

/** T_parent_child of every frame, metres, and its age in ms (-1: static). */
export interface Node {
  parent: string;
  pose: Matrix4;
  age: number;
}

export function node(name: string): Node | null {
  const row = frames()[name];
  if (!row) return null;
  const [parent, x, y, z, qx, qy, qz, qw, age] = row;
  return { parent, pose: new Matrix4().compose(new Vector3(x, y, z), new Quaternion(qx, qy, qz, qw), ONE), age: age < 0 ? age : age + behindMs() };
}

/** From a frame up to its root: T_root_frame, the root's name, and the oldest age on the way. */
export function toRoot(name: string): { root: string; pose: Matrix4; age: number } {
  const pose = new Matrix4();
  let at = name;
  let age = -1;
  for (let n = node(at), steps = 0; n && steps < 64; n = node(at), steps++) {
    pose.premultiply(n.pose);
    age = Math.max(age, n.age);
    at = n.parent;
  }
  return { root: at, pose, age };
}

/** T_to_from where both hang on one root; null where they do not, or where a transform between them is older than `oldest`. */
export function between(to: string, from: string, oldest = Infinity): Matrix4 | null {
  const a = toRoot(to);
  const b = toRoot(from);
  if (a.root !== b.root || Math.max(a.age, b.age) > oldest) return null;
  return a.pose.invert().multiply(b.pose);
}
