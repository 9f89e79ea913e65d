// Elements without a framework: the pages are few and each owns its piece of the document.

type Child = Node | string | number | null | undefined | false | Child[];
type Attributes = Record<string, unknown>;

/** An element. `on…` attributes are listeners, `class`/`data-…`/`aria-…` are attributes, true is an empty attribute. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes | null = null,
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value as EventListener);
    else if (name === "value" && "value" in element) (element as HTMLInputElement).value = String(value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  fill(element, ...children);
  return element;
}

/** Replace what an element holds. */
export function fill(element: Element, ...children: Child[]): void {
  const nodes = (children.flat(Infinity as 1) as Child[]).filter((c) => c !== null && c !== undefined && c !== false);
  element.replaceChildren(...nodes.map((c) => (c instanceof Node ? c : String(c))));
}
