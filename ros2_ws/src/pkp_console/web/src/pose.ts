// The guide against the planned path as the camera sees it: where its axis meets the planes of entry and target.

import { Matrix4, Vector3 } from "three";
import { LOST_MS, between } from "./frames";
import type { PathRecord } from "./plan";

const MM = 0.001;

/** Millimetres in the plane across the path: left of the patient, towards the head; and how far the tip is from the entry. */
export interface Seen {
  entry: { left: number; up: number };
  target: { left: number; up: number };
  angle: number;
  gap: number;
}

/** T_ct_path, metres: origin at the entry, z along the path, x as near to the patient's left as it can be, y up to the head. */
export function pathFrame(path: PathRecord): Matrix4 {
  const entry = new Vector3(...path.entry_mm).multiplyScalar(MM);
  const z = new Vector3(...path.target_mm).multiplyScalar(MM).sub(entry).normalize();
  const side = Math.abs(z.x) < 0.9 ? new Vector3(1, 0, 0) : new Vector3(0, 0, 1);
  const x = side.addScaledVector(z, -side.dot(z)).normalize();
  return new Matrix4().makeBasis(x, new Vector3().crossVectors(z, x), z).setPosition(entry);
}

export function lengthOf(path: PathRecord): number {
  return new Vector3(...path.entry_mm).distanceTo(new Vector3(...path.target_mm)) * MM;
}

/** The plate that the camera sees, the guide as it is drawn on it, and the path below the patient's reference; null where one is not seen. */
export function seenGuide(path: PathRecord): Seen | null {
  const guide = between("marker_plate", "guide_tip");
  const plate = between("ct_lps", "robot_ref", LOST_MS);
  if (!guide || !plate) return null;
  const tip = pathFrame(path).invert().multiply(plate).multiply(guide);
  const at = new Vector3().setFromMatrixPosition(tip);
  const way = new Vector3().setFromMatrixColumn(tip, 2);
  if (way.z < 0.1) return null;
  const meets = (depth: number) => {
    const p = at.clone().addScaledVector(way, (depth - at.z) / way.z);
    return { left: p.x / MM, up: p.y / MM };
  };
  return { entry: meets(0), target: meets(lengthOf(path)), angle: (Math.acos(Math.min(1, way.z)) * 180) / Math.PI, gap: -at.z / MM };
}
