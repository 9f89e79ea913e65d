import { readFileSync, readdirSync } from "node:fs";
import { type Plugin, defineConfig } from "vite";

/** The licences of everything that may be in the bundle, in a file beside it. */
function licences(): Plugin {
  const seen = new Map<string, string>();
  const walk = (name: string): void => {
    if (seen.has(name)) return;
    const folder = new URL(`node_modules/${name}/`, import.meta.url);
    const facts = JSON.parse(readFileSync(new URL("package.json", folder), "utf8"));
    const file = readdirSync(folder).find((f) => /^(licen[cs]e|copying)/i.test(f));
    const own = new URL(`licences/${name.replace(/.*\//, "")}.txt`, import.meta.url);
    const text = readFileSync(file ? new URL(file, folder) : own, "utf8");
    seen.set(name, `${name} ${facts.version} (${facts.license})\n\n${text.trim()}\n`);
    Object.keys(facts.dependencies ?? {}).forEach(walk);
  };
  return {
    name: "licences",
    generateBundle() {
      for (const name of ["@niivue/niivue", "three", "uplot", "urdf-loader"]) walk(name);
      const source = [...seen.entries()].sort().map(([, text]) => text).join(`\n${"-".repeat(80)}\n\n`);
      this.emitFile({ type: "asset", fileName: "assets/LICENCES.txt", source });
    },
  };
}


// The built page is committed beside the server, so that a user needs no Node.
export default defineConfig({
  plugins: [licences()],
  resolve: { alias: [{ find: /^numcodecs\/(blosc|lz4|zstd)$/, replacement: new URL("src/nocodec.ts", import.meta.url).pathname }] },
  build: {
    outDir: "../pkp_console/static",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 4000,
    rollupOptions: {
      output: {
        entryFileNames: "assets/[name].js",
        chunkFileNames: "assets/[name].js",
        assetFileNames: "assets/[name][extname]",
      },
    },
  },
});
