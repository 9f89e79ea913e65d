// One X-ray picture with what was pointed at and the lines over it; all in the picture's own pixels (row, column).

import { h } from "../dom";
import { number, t } from "../words";

export type Pixel = [number, number];
export type Point = "body" | "left" | "right" | "known";
export const POINTS: Point[] = ["body", "left", "right", "known"];
export interface Lines {
  outline: Pixel[][];
  rims: Pixel[][];
  rings: Record<string, Pixel[]>;
  paths: Record<string, Pixel[]>;
}

const SVG = "http://www.w3.org/2000/svg";
const STEP = 1;
const LONG_STEP = 10;
const NEAR_SHARE = 0.35;
const STEPS: Record<string, Pixel> = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

export class Picture {
  readonly element = make("svg", { tabindex: 0, role: "img", class: "shot" });
  readonly hint = h("span", { class: "soft num", role: "status" });
  private readonly marks = make("g", {});
  private readonly lines = make("g", { class: "lines" });

  constructor(
    address: string,
    readonly name: string,
    private readonly size: Pixel,
    readonly clicks: Partial<Record<Point, Pixel>>,
    private readonly point: () => Point,
  ) {
    const [rows, columns] = size;
    this.element.setAttribute("aria-label", t("xray.aria", { name }));
    this.element.append(make("image", { href: address, x: -0.5, y: -0.5, width: columns, height: rows }), this.lines, this.marks);
    this.element.addEventListener("pointerdown", (e) => this.pointed(e));
    this.element.addEventListener("keydown", (e) => this.key(e));
    this.zoom(false);
    this.mark();
  }

  clear(): void {
    for (const point of POINTS) delete this.clicks[point];
    this.mark();
  }

  draw(lines: Lines | null): void {
    this.lines.replaceChildren();
    if (!lines) return;
    const line = (points: Pixel[], kind: string, closed: boolean) =>
      this.lines.append(make(closed ? "polygon" : "polyline", { class: kind, points: points.map(([r, c]) => `${c},${r}`).join(" ") }));
    lines.outline.forEach((l) => line(l, "outline", true));
    lines.rims.forEach((l) => line(l, "rim", true));
    Object.values(lines.rings).forEach((l) => line(l, "ring", true));
    for (const [side, path] of Object.entries(lines.paths)) {
      line(path, "path", false);
      this.lines.append(label(path[0], t(`xray.mark.${side}`), "path"));
    }
  }

  /** The whole picture, or the part about what was rebuilt or pointed at. */
  zoom(near: boolean): void {
    const [rows, columns] = this.size;
    let [low, high]: [Pixel, Pixel] = [[-0.5, -0.5], [rows - 0.5, columns - 0.5]];
    if (near) {
      const drawn = (this.lines.firstChild as SVGPolygonElement | null)?.getAttribute("points")?.split(" ").map((p) => p.split(",").map(Number).reverse() as Pixel);
      const about = drawn ?? (this.clicks.body ? [this.clicks.body] : []);
      if (about.length) {
        const side = drawn ? Math.max(...[0, 1].map((k) => Math.max(...about.map((p) => p[k])) - Math.min(...about.map((p) => p[k])))) * (1 + NEAR_SHARE) : NEAR_SHARE * rows;
        const middle = [0, 1].map((k) => (Math.max(...about.map((p) => p[k])) + Math.min(...about.map((p) => p[k]))) / 2);
        low = [middle[0] - side / 2, middle[1] - side / 2];
        high = [middle[0] + side / 2, middle[1] + side / 2];
      }
    }
    this.element.setAttribute("viewBox", `${low[1]} ${low[0]} ${high[1] - low[1]} ${high[0] - low[0]}`);
  }

  private pointed(event: PointerEvent): void {
    const matrix = this.element.getScreenCTM();
    if (event.button !== 0 || !matrix) return;
    const place = new DOMPoint(event.clientX, event.clientY).matrixTransform(matrix.inverse());
    this.put([place.y, place.x]);
  }

  private key(event: KeyboardEvent): void {
    const step = STEPS[event.key];
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "Delete") delete this.clicks[this.point()];
    else if (event.key === "Enter" || step) {
      const length = event.shiftKey ? LONG_STEP : STEP;
      const from = this.clicks[this.point()] ?? this.clicks.body ?? [this.size[0] / 2, this.size[1] / 2];
      this.put(step ? [from[0] + length * step[0], from[1] + length * step[1]] : from);
    } else return;
    event.preventDefault();
    this.mark();
  }

  private put(place: Pixel): void {
    this.clicks[this.point()] = place.map((v, k) => Math.round(10 * Math.min(Math.max(v, 0), this.size[k] - 1)) / 10) as Pixel;
    this.mark();
  }

  private mark(): void {
    this.marks.replaceChildren();
    for (const point of POINTS) {
      const place = this.clicks[point];
      if (!place) continue;
      const [r, c] = place;
      const arm = this.size[0] / 60;
      this.marks.append(make("path", { class: `click ${point}`, d: `M${c - arm} ${r}H${c + arm}M${c} ${r - arm}V${r + arm}` }), label([r - arm, c + arm / 2], t(`xray.mark.${point}`), `click ${point}`));
    }
    const place = this.clicks[this.point()];
    this.hint.textContent = place ? ` ${t(`xray.point.${this.point()}`)}: ${number(place[0])}, ${number(place[1])}` : "";
  }
}

function make<K extends keyof SVGElementTagNameMap>(tag: K, attributes: Record<string, string | number>): SVGElementTagNameMap[K] {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}

function label(place: Pixel, text: string, kind: string): SVGTextElement {
  const element = make("text", { class: kind, x: place[1], y: place[0] });
  element.textContent = text;
  return element;
}
