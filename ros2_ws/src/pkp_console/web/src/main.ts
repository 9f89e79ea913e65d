// Where the page begins: who is signed in, and which page the address asks for.

import { type Session, get, me, setMe, whenSignedOut } from "./api";
import { disconnect } from "./live";
import { casesPage } from "./pages/cases";
import { laterPage } from "./pages/later";
import { planPage } from "./pages/plan";
import { signInPage } from "./pages/signin";
import { Shell } from "./shell";
import { choose, chosen } from "./words";

const root = document.getElementById("app")!;
const shell = new Shell(root, () => void show());
let leavePage = (): void => undefined;

async function show(): Promise<void> {
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
  if (page === "case" && id) leavePage = await planPage(shell, id);
  else if (page === "room" || page === "align" || page === "inject") leavePage = laterPage(shell, page);
  else leavePage = casesPage(shell);
}

choose(chosen());
whenSignedOut(() => {
  disconnect();
  void show();
});
window.addEventListener("hashchange", () => void show());
setMe(await get<Session>("/session").catch(() => null));
void show();
