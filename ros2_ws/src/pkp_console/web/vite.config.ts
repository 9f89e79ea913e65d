import { defineConfig } from "vite";

// The built page is committed beside the server, so that a user needs no Node.
export default defineConfig({
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
