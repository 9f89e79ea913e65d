// Requests to the console, with the session's token; a refusal is thrown as what the server said.

export interface Facts {
  code: string;
  message: string;
  [name: string]: unknown;
}

export class Refusal extends Error {
  constructor(
    readonly facts: Facts,
    readonly status: number,
  ) {
    super(facts.message);
  }
}

export interface Session {
  session: string;
  name: string;
  role: "viewer" | "planner" | "operator";
  one_time: boolean;
  csrf: string;
}

let session: Session | null = null;
export const me = (): Session | null => session;
export const setMe = (value: Session | null): void => void (session = value);
let onSignedOut = (): void => undefined;
export const whenSignedOut = (f: () => void): void => void (onSignedOut = f);

export async function ask<T>(method: string, path: string, body?: unknown, raw?: Blob): Promise<T> {
  const headers: Record<string, string> = {};
  if (method !== "GET" && session) headers["x-csrf-token"] = session.csrf;
  if (body !== undefined) headers["content-type"] = "application/json";
  let response: Response;
  try {
    response = await fetch(`/api${path}`, { method, headers, body: raw ?? (body === undefined ? undefined : JSON.stringify(body)) });
  } catch {
    throw new Refusal({ code: "no_answer", message: "the console does not answer" }, 0);
  }
  const answer = (await response.json().catch(() => null)) as T & Facts;
  if (!response.ok) {
    const facts = answer ?? { code: `http_${response.status}`, message: response.statusText };
    if (facts.code === "not_signed_in" && session) {
      session = null;
      onSignedOut();
    }
    throw new Refusal(facts, response.status);
  }
  return answer;
}

export const get = <T>(path: string): Promise<T> => ask<T>("GET", path);
export const post = <T>(path: string, body: unknown = {}): Promise<T> => ask<T>("POST", path, body);
