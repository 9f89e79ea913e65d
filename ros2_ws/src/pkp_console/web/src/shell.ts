// The frame around every page: where one is, who has the console, the link to the server, and Stop.

import { Refusal, ask, me, post } from "./api";
import { AlarmBar } from "./alarms";
import { fill, h } from "./dom";
import { type Snapshot, connect, disconnect, linked, listen, reading, silentMs, snapshot } from "./live";
import { workflow } from "./procedure";
import { player } from "./replay";
import { choose, chosen, languages, refusal, t, term } from "./words";

const ROUTES = ["cases", "room", "align", "inject", "report"] as const;

export class Shell {
  readonly main = h("main", { id: "main", tabindex: "-1" });
  private readonly said = h("div", { class: "said", role: "status", "aria-live": "polite" });
  private readonly stop = h("button", { class: "stop", type: "button", onclick: () => void this.halt("button") });
  private readonly link = h("span", { class: "link" });
  private readonly alarms = new AlarmBar();
  private names: string[] = [];
  private readonly seat = h("div", { class: "seat" });
  private readonly phase = h("span", { class: "phase" });
  private seatShown = "";
  private shown = "";
  private wasLatched = false;
  private leave: (() => void)[] = [];

  constructor(
    private readonly root: HTMLElement,
    private readonly redraw: () => void,
  ) {
    window.addEventListener("keydown", (event) => this.key(event), true);
  }

  open(): void {
    const role = me()!;
    const nav = h(
      "nav",
      { "aria-label": t("nav.label") },
      ROUTES.map((r) => {
        const here = location.hash.startsWith(`#/${r}`) || (r === "cases" && /^#\/(case|xray)\//.test(location.hash));
        return h("a", { href: `#/${r}`, "aria-current": here ? "page" : null }, t(`nav.${r}`));
      }),
    );
    const language = h(
      "select",
      {
        "aria-label": t("language"),
        onchange: (e: Event) => {
          choose((e.target as HTMLSelectElement).value);
          this.redraw();
        },
      },
      languages().map((l) => h("option", { value: l, selected: l === chosen() }, t(`language.${l}`))),
    );
    fill(
      this.root,
      h("a", { class: "skip", href: "#main", onclick: (e: Event) => (e.preventDefault(), this.main.focus()) }, t("skip")),
      h(
        "header",
        null,
        h("strong", { class: "brand" }, "OpenPKP"),
        nav,
        this.phase,
        h("span", { class: "grow" }),
        this.seat,
        this.link,
        language,
        h("span", { class: "who" }, `${role.name} · ${t(`role.${role.role}`)}`),
        h("button", { type: "button", class: "quiet", onclick: () => void this.signOut() }, t("sign_out")),
        this.stop,
      ),
      this.alarms.element,
      this.main,
      player.element,
      this.said,
      h("footer", null, t("disclaimer")),
    );
    this.seatShown = this.shown = "";
    this.close();
    fill(this.said); // what was said belonged to the page before
    player.show();
    void workflow().then((flow) => (this.names = flow.phases), () => null);
    this.leave.push(listen((now) => this.draw(now)));
    connect();
  }

  close(): void {
    this.leave.forEach((f) => f());
    this.leave = [];
  }

  say(text: string, bad = false): void {
    this.said.classList.toggle("bad", bad);
    fill(this.said, text ? [h("span", null, text), h("button", { type: "button", class: "quiet", "aria-label": t("dismiss"), onclick: () => fill(this.said) }, "×")] : []);
  }

  /** Run something the user asked for; a refusal is said in words. */
  async tell<T>(work: Promise<T>): Promise<T | null> {
    try {
      return await work;
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.say(refusal(error.facts), true);
      return null;
    }
  }

  private get armed(): boolean {
    return Boolean(me()) && linked() && Boolean(snapshot()?.room.supervised);
  }

  private draw(now: Snapshot | null): void {
    const phase = reading("phase");
    const armed = this.armed;
    const latched = armed && Boolean(now?.topics.safety?.value.stop_latched);
    const silent = linked() || !Number.isFinite(silentMs()) ? "–" : Math.round(silentMs() / 1000);
    const key = JSON.stringify([armed, latched, linked(), silent, phase?.value.phase, phase?.value.side, phase?.stale, this.names.length, chosen()]);
    this.drawSeat(now);
    if (key === this.shown) return; // what is written anew is painted anew, and this is seen thirty times a second
    this.shown = key;
    this.stop.disabled = !armed;
    fill(this.stop, t(latched ? "stop.latched" : "stop"), h("small", null, t(armed ? "stop.keys" : linked() ? "stop.none" : "stop.no_link")));
    this.stop.title = t(armed ? "stop.title" : linked() ? "stop.none_title" : "alarm.link_lost");
    if (this.wasLatched && !latched) fill(this.said); // what was said of the stop is over with it
    this.wasLatched = latched;
    this.link.className = `link ${linked() ? "good" : "bad"}`;
    this.link.textContent = linked() ? t("link.good") : t("link.bad", { s: silent });
    this.phase.className = `phase${phase?.stale ? " stale" : ""}`;
    const name = this.names[phase?.value.phase];
    const side = phase?.value.side ? ` · ${term("side", phase.value.side)}` : "";
    this.phase.textContent = phase && name ? `${t("phase")}: ${term("phase", name)}${side}` : "";
  }

  private drawSeat(now: Snapshot | null): void {
    const key = JSON.stringify([now?.seat, now?.mine, chosen()]);
    if (key === this.seatShown) return;
    this.seatShown = key;
    const mine = me()!;
    const seat = now?.seat;
    if (!seat) return fill(this.seat);
    const asking = now!.mine ? seat.asking : [];
    fill(
      this.seat,
      now!.mine ? h("span", { class: "chip good" }, t("seat.mine")) : seat.holder ? h("span", { class: "chip" }, t("seat.held", { name: seat.holder.name })) : null,
      mine.role === "operator" && !now!.mine
        ? h("button", { type: "button", onclick: () => void this.take() }, seat.holder ? t("seat.ask") : t("seat.take"))
        : null,
      asking.map((a) =>
        h("button", { type: "button", class: "warn", onclick: () => void this.tell(post("/seat/hand_over", { to: a.session })) }, t("seat.hand_over", { name: a.name })),
      ),
    );
  }

  private async take(): Promise<void> {
    const answer = await this.tell(post<{ taken: boolean; holder: { name: string } | null }>("/seat/take"));
    if (answer && !answer.taken) this.say(t("seat.asked", { name: answer.holder?.name ?? "" }));
  }

  private async halt(source: string): Promise<void> {
    const answer = await this.tell(post("/stop", { reason: `operator (${source})` }));
    if (answer) this.say(t("stop.said"), true);
  }

  private key(event: KeyboardEvent): void {
    if (event.repeat || event.ctrlKey || event.altKey || event.metaKey || !this.armed) return;
    const target = event.target as HTMLElement;
    const writing = target.matches?.("input:not([type=checkbox]):not([type=radio]):not([type=range]), textarea");
    if (event.key === "Escape" || (event.key === " " && !writing)) {
      event.preventDefault();
      event.stopPropagation();
      void this.halt(event.key === " " ? "Space" : "Esc");
    }
  }

  private async signOut(): Promise<void> {
    await ask("DELETE", "/session").catch(() => null);
    disconnect();
    location.reload();
  }
}

export const verdictChip = (verdict: string): HTMLElement => h("span", { class: `verdict ${verdict}` }, term("verdict", verdict));
