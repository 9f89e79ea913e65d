// The live store: the newest snapshot of the room. A newer one replaces it; nothing queues. Ages go on growing here while
// the socket is silent, and what is older than its limit is stale.

import { me } from "./api";
import { Pace } from "./pace";

export interface Reading {
  value: Record<string, any>;
  age_ms: number;
  count: number;
}
export interface Job {
  id: string;
  kind: "import" | "plan" | "xray_plan" | "replay" | "report";
  case: string | null;
  by: string;
  state: "waiting" | "running" | "done" | "refused" | "cancelled";
  stage: string;
  elapsed_s: number;
  result: string | null;
  refusal: { code: string; message: string; [k: string]: any } | null;
}
export interface Snapshot {
  version: number;
  topics: Record<string, Reading>;
  jobs: Job[];
  seat: { holder: { session: string; name: string } | null; asking: { session: string; name: string }[] };
  /** Whether this page's session has the console. */
  mine: boolean;
  room: { ros: boolean; supervised: boolean };
  /** Server's clock at which it was made; a hold-to-run press carries it back. */
  at: number;
  frames: Record<string, FrameRow>;
  holding: boolean;
}
/** [parent, x, y, z, qx, qy, qz, qw, age in ms]; metres; age -1: static. */
export type FrameRow = [string, number, number, number, number, number, number, number, number];
/** A moment of a record: the same shape, without what belongs to this console. */
export interface Moment {
  replay: number;
  topics: Record<string, Reading>;
  frames: Record<string, FrameRow>;
}

const RETRY_MS = 1000;
const BEAT_MS = 1000;
const AGES_MS = 250;
export const STALE_MS = 1500;
type Listener = (now: Snapshot | null) => void;

let socket: WebSocket | null = null;
let newest: Snapshot | null = null;
let heardAt = 0;
let beats = 0;
let wanted = false;
let replayed: Moment | null = null;
const listeners = new Set<Listener>();

export const snapshot = (): Snapshot | null => newest;
export const silentMs = (): number => (heardAt ? performance.now() - heardAt : Infinity);
export const linked = (): boolean => silentMs() < STALE_MS;

/** A topic with its age as of now; null where it was never heard. */
export function reading(topic: string): (Reading & { stale: boolean }) | null {
  const held = (replayed ?? newest)?.topics[topic];
  if (!held) return null;
  if (replayed) return { ...held, stale: held.age_ms > STALE_MS };
  const age = held.age_ms + silentMs();
  return { ...held, age_ms: age, stale: age > STALE_MS };
}

/** Transforms with their ages as the server knew them; of the record while one is replayed. */
export const frames = (): Record<string, FrameRow> => (replayed ?? newest)?.frames ?? {};

/** By how much a transform is older by now than its row says, ms. */
export const behindMs = (): number => (replayed ? 0 : silentMs());

/** Seconds that curves are drawn over: of the record while one is replayed. */
export const clock = (): number => (replayed ? replayed.replay : performance.now() / 1000);
export const replaying = (): boolean => replayed !== null;

/** Show a moment of a record instead of the room; null: the room again. */
export function showMoment(moment: Moment | null): void {
  replayed = moment;
  tell();
}

/** A word to the server; lost without a trace when the socket is not open, as a late one would be worse. */
export function send(word: Record<string, unknown>): void {
  if (socket?.readyState === WebSocket.OPEN && socket.bufferedAmount === 0) socket.send(JSON.stringify(word));
}

export function listen(listener: Listener): () => void {
  listeners.add(listener);
  listener(newest);
  return () => listeners.delete(listener);
}

/** A newer state is applied, drawn or not: who measures or waits for a state listens to this. */
function applied(): void {
  window.dispatchEvent(new CustomEvent("pkp:applied", { detail: newest }));
}

const pace = new Pace(() => {
  for (const listener of [...listeners]) listener(newest);
  window.dispatchEvent(new CustomEvent("pkp:drawn"));
});

/** Tell everybody who draws. */
const tell = (): void => pace.ask();

export function connect(): void {
  wanted = true;
  if (socket || !me()) return;
  const ours = new WebSocket(`ws://${location.host}/api/live`, ["pkp.live", `csrf.${me()!.csrf}`]);
  socket = ours;
  ours.onmessage = (event) => {
    newest = JSON.parse(event.data as string) as Snapshot;
    heardAt = performance.now();
    applied();
    tell();
  };
  ours.onclose = () => {
    if (socket === ours) socket = null;
    tell();
    if (wanted) setTimeout(connect, RETRY_MS);
  };
}

export function disconnect(): void {
  wanted = false;
  socket?.close();
  socket = null;
  newest = null;
  heardAt = 0;
}

setInterval(() => send({ beat: ++beats }), BEAT_MS);
setInterval(tell, AGES_MS); // ages grow
