// What the room's pages share: the phase, the plan in hand, the workflow's table.

import { get } from "./api";
import { reading, replaying } from "./live";
import type { PathRecord, Plan } from "./plan";

export interface Workflow {
  phases: string[];
  table: { from: number; to: number; needs: string[] }[];
}
let table: Promise<Workflow> | null = null;
export const workflow = (): Promise<Workflow> => (table ??= get<Workflow>("/room/workflow"));

export interface PlanInHand {
  case_id: string | null;
  plan: Plan;
}
let kept: { key: string; plan: Promise<PlanInHand | null> } | null = null;

/** The sealed plan that the supervisor works with; null while there is none, or it cannot be read. */
export function planInHand(): Promise<PlanInHand | null> {
  const hash = (reading("phase")?.value.plan?.plan_hash ?? "") as string;
  if (!hash) return Promise.resolve(null);
  const key = `${replaying() ? recordedCase : ""} ${hash}`;
  if (kept?.key !== key) kept = { key, plan: (replaying() ? recorded(hash) : get<PlanInHand>("/room/plan")).catch(() => null) };
  return kept.plan;
}

let recordedCase = "";
/** The case of the procedure that is replayed, by its folder's name. */
export const setRecordedCase = (name: string): void => void (recordedCase = name);

async function recorded(hash: string): Promise<PlanInHand> {
  return { case_id: recordedCase, plan: await get<Plan>(`/cases/${recordedCase}/plans/${hash}`) };
}

export const side = (): string => (reading("phase")?.value.side ?? "") as string;
export const epoch = (): number => Number(reading("safety")?.value.epoch ?? 0);
export const latched = (): boolean => Boolean(reading("safety")?.value.stop_latched);

/** The path that is taken on a side: of several the best, which comes first. */
export const pathOf = (plan: Plan, of: string): PathRecord | null => plan.paths.find((p) => p.side === of) ?? null;
