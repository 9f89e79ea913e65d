// Where the page begins: who is signed in, and which page the address asks for. The pages that draw the room come when they are asked for.

import { type Session, get, me, setMe, whenSignedOut } from "./api";
import { disconnect } from "./live";
import { casesPage } from "./pages/cases";
import { planPage } from "./pages/plan";
import { signInPage } from "./pages/signin";
import { player } from "./replay";
import { Shell } from "./shell";
import { choose, chosen } from "./words";

const root = document.getElementById("app")!;
const shell = new Shell(root, () => void show());
let leavePage = (): void => undefined;
let asked = 0;

async function show(): Promise<void> {
  const mine = ++asked;
  leavePage();
  leavePage = () => undefined;
  const session = me();
  if (!session || session.one_time) {
    shell.close();
    signInPage(root, () => void show());
    return;
  }
  shell.open();
  const [, page, id] = location.hash.split("/");
  const leave = await opened(page, id);
  if (mine === asked) leavePage = leave;
  else leave(); // another page was asked for meanwhile
}

async function opened(page: string | undefined, id: string | undefined): Promise<() => void> {
  if (page === "case" && id) return planPage(shell, id);
  if (page === "xray" && id) return (await import("./pages/xray")).xrayPage(shell, id);
  if (page === "room") return (await import("./pages/room")).roomPage(shell, description);
  if (page === "align") return (await import("./pages/align")).alignPage(shell);
  if (page === "inject") return (await import("./pages/inject")).injectPage(shell);
  if (page === "report") return (await import("./pages/report")).reportPage(shell, id);
  return casesPage(shell);
}

/** The room's URDF, of the record while one is replayed. */
async function description(): Promise<string> {
  const response = await fetch(player.open ? `/api/runs/${encodeURIComponent(player.run)}/description` : "/api/room/description");
  if (!response.ok) throw new Error("not described yet");
  return response.text();
}

choose(chosen());
whenSignedOut(() => {
  disconnect();
  void show();
});
window.addEventListener("hashchange", () => void show());
setMe(await get<Session>("/session").catch(() => null));
void show();
