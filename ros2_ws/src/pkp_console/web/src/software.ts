// Whether pictures are reckoned by the processor here: then they are made seldom and coarsely, for what must not wait needs it too.

let known: boolean | null = null;

export function drawnInSoftware(): boolean {
  if (known !== null) return known;
  const gl = document.createElement("canvas").getContext("webgl2");
  const told = gl?.getExtension("WEBGL_debug_renderer_info");
  const name = gl ? String(told ? gl.getParameter(told.UNMASKED_RENDERER_WEBGL) : "") : "software";
  gl?.getExtension("WEBGL_lose_context")?.loseContext();
  return (known = /swiftshader|llvmpipe|software/i.test(name));
}
