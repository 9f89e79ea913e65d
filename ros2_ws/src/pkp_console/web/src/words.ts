// Texts of the page, by language; a key that is missing shows itself.

import en from "./words/en.json";
import zh from "./words/zh.json";

type Words = Record<string, string>;
const LANGUAGES: Record<string, Words> = { en, zh };
const KEPT = "pkp.language";
let language = LANGUAGES[localStorage.getItem(KEPT) ?? ""] ? localStorage.getItem(KEPT)! : "en";

export const languages = (): string[] => Object.keys(LANGUAGES);
export const chosen = (): string => language;

export function choose(name: string): void {
  language = LANGUAGES[name] ? name : "en";
  localStorage.setItem(KEPT, language);
  document.documentElement.lang = language === "zh" ? "zh-Hans" : language;
}

/** A text with `{name}` filled in. */
export function t(key: string, values: Record<string, string | number> = {}): string {
  const text = LANGUAGES[language][key] ?? LANGUAGES.en[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ""));
}

/** A word of the plan (a verdict, a side), shown as it is where nothing is known of it; numbers in it keep their order. */
export function term(kind: string, word: string): string {
  for (const key of [`${kind}.${word}`, `${kind}.${word.replace(/\d+/g, "#")}`]) {
    const [text, numbers] = [t(key), word.match(/\d+/g) ?? []];
    if (text !== key) return text.replace(/#/g, () => numbers.shift() ?? "");
  }
  return word.replaceAll("_", " ");
}

/** A refusal in words: the server's sentence has the numbers; other languages lead with what kind it is. */
export function refusal(facts: { code: string; message: string }): string {
  const key = `refusal.${facts.code}`;
  const text = t(key);
  return language === "en" || text === key ? facts.message : `${text} (${facts.message})`;
}

export const number = (value: number | null | undefined, digits = 1): string =>
  value === null || value === undefined ? "–" : value.toFixed(digits);
