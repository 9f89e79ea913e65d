// The plan as the server stores it: what the page uses of it.

import type { Point } from "./space";

export interface PathRecord {
  side: string;
  kind: string;
  entry_mm: Point;
  target_mm: Point;
  waypoints_mm: Point[];
  depth_mm: number;
  diameter_mm: number;
  grade: string;
  clearance_mm: number;
  resolution_mm: number;
  margins_mm: Record<"medial" | "lateral" | "cranial" | "caudal", number>;
  canal_mm: number;
  tip_margin_mm: number;
  p_breach: number;
  convergence_deg: number;
  sagittal_deg: number;
  skin_mm: number | null;
  warnings: string[];
}
export interface Heights {
  anterior: number;
  middle: number;
  posterior: number;
}
export interface Plan {
  level: string;
  plan_hash: string;
  verdict: string;
  reasons: string[];
  warnings: string[];
  disclaimer: string;
  recommended_ml: number;
  recommended_ml_low: number;
  recommended_ml_high: number;
  defect_ml: number;
  defect_ml_low: number;
  defect_ml_high: number;
  fill_percent: number;
  product: string;
  heights_mm: Heights;
  expected_mm: Heights;
  ideal_mm: Heights;
  self_check_passed: boolean;
  genant: number;
  fracture: string;
  numbering: { source: string; confidence: number };
  paths: PathRecord[];
  refused_paths: string[];
  configuration: { trajectory: { wanted_clearance_mm: number; doubtful_breach: number } };
}
export interface PlanLine {
  level: string;
  verdict: string;
  plan_hash: string;
  recommended_ml: number;
  recommended_ml_low: number;
  recommended_ml_high: number;
  product: string;
  at: string | null;
  by: string | null;
  of: string | null;
  approvals: { by: string; at: string; supervisor: string }[];
}
export interface CaseLine {
  id: string;
  changed: string;
  has_ct: boolean;
  xrays: boolean;
  thumbnail: boolean;
  plan: PlanLine | null;
  revisions: number;
  problem: { code: string; message: string } | null;
}
export interface CaseFacts extends CaseLine {
  plans: PlanLine[];
  events: Record<string, any>[];
  audit_problem: { code: string; message: string } | null;
  files: string[];
  surfaces: string[];
}
export interface About {
  version: string;
  disclaimer: string;
  levels: string[];
  products: string[];
  ros: boolean;
  upload_bytes: number;
  upload_files: number;
}

export const nameOf = (p: { side: string; kind: string }): string => `${p.side} ${p.kind}`;

/** How near a path's wall is: enough, little, none. */
export function nearness(clearance: number, wanted: number): "good" | "little" | "none" {
  return clearance >= wanted ? "good" : clearance >= 0 ? "little" : "none";
}
