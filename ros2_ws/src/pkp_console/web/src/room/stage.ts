// A place where something is drawn in three dimensions: canvas, light, camera and the hand that turns it; drawn when something is new.

import { AmbientLight, Color, DirectionalLight, Line, Mesh, MeshLambertMaterial, PerspectiveCamera, Scene, WebGLRenderer } from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";
import { STLLoader } from "three/addons/loaders/STLLoader.js";
import { h } from "../dom";
import { leastMs, restAfter } from "../pace";
import { drawnInSoftware } from "../software";

const GROUND = "#0a0f14";
const LOOK_MS = 8;
/** Pixels of the picture for one of the screen, across and down, where the processor reckons them. */
const COARSE = 0.6;

export class Stage {
  readonly canvas = h("canvas", { tabindex: "0", role: "img" });
  readonly scene = new Scene();
  readonly camera: PerspectiveCamera;
  readonly orbit: OrbitControls;
  readonly sun = new DirectionalLight("#ffffff", 1.9);
  private readonly renderer: WebGLRenderer;
  private readonly observer: ResizeObserver;
  private drawing = 0;
  private busy = false;
  private wanted = false;
  private gone = false;

  /** `angle`: the camera's, degrees; `near` and `far` in the scene's own unit. */
  constructor(
    private readonly box: HTMLElement,
    label: string,
    angle: number,
    near: number,
    far: number,
  ) {
    this.canvas.setAttribute("aria-label", label);
    box.append(this.canvas);
    this.renderer = new WebGLRenderer({ canvas: this.canvas, antialias: !drawnInSoftware(), powerPreference: "low-power" });
    this.renderer.setPixelRatio(drawnInSoftware() ? COARSE : 1);
    this.camera = new PerspectiveCamera(angle, 1, near, far);
    this.camera.up.set(0, 0, 1);
    this.scene.background = new Color(GROUND);
    this.scene.add(new AmbientLight("#ffffff", 1.35), this.camera);
    this.orbit = new OrbitControls(this.camera, this.canvas);
    this.orbit.enableDamping = false;
    this.orbit.addEventListener("change", () => this.draw());
    this.observer = new ResizeObserver(() => this.fit());
    this.observer.observe(box);
    this.fit();
  }

  /** A picture soon: with the next frame of the display, when the one before is finished and has been rested from. */
  draw(): void {
    this.wanted = true;
    if (!this.busy) this.begin();
  }

  private begin(): void {
    this.busy = true;
    this.drawing = requestAnimationFrame(() => {
      this.wanted = false;
      const began = performance.now();
      this.renderer.render(this.scene, this.camera);
      this.canvas.dataset.frames = String(Number(this.canvas.dataset.frames ?? 0) + 1);
      this.finish(began);
    });
  }

  /** Who asks for pictures faster than they are made has to wait for them in the middle of everything else; so nobody asks. */
  private finish(began: number): void {
    const gl = this.renderer.getContext() as WebGL2RenderingContext;
    const done = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    gl.flush();
    const look = (): void => {
      if (this.gone) return;
      if (done && gl.clientWaitSync(done, 0, 0) === gl.TIMEOUT_EXPIRED) return void setTimeout(look, LOOK_MS);
      gl.deleteSync(done);
      const took = performance.now() - began;
      setTimeout(() => this.rested(), Math.max(restAfter(took), leastMs() - took));
    };
    setTimeout(look, 0);
  }

  private rested(): void {
    if (this.gone) return;
    this.busy = false;
    if (this.wanted) this.begin();
  }

  destroy(): void {
    this.gone = true;
    cancelAnimationFrame(this.drawing);
    this.observer.disconnect();
    this.orbit.dispose();
    this.scene.traverse((o) => {
      if (!(o instanceof Mesh || o instanceof Line)) return;
      o.geometry.dispose();
      [o.material].flat().forEach((m) => m.dispose());
    });
    this.renderer.dispose();
    this.renderer.forceContextLoss(); // a browser keeps few contexts; the next page wants one
    this.canvas.remove();
  }

  private fit(): void {
    const { clientWidth: w, clientHeight: t } = this.box;
    if (!w || !t) return;
    this.renderer.setSize(w, t, false);
    this.camera.aspect = w / t;
    this.camera.updateProjectionMatrix();
    this.draw();
  }
}

/** A surface of a case as the server sends it, RAS mm; null where there is none. */
export async function surfaceAt(url: string, colour: string, opacity: number): Promise<Mesh | null> {
  const response = await fetch(url);
  if (!response.ok) return null;
  const shape = new STLLoader().parse(await response.arrayBuffer());
  shape.computeVertexNormals();
  return new Mesh(shape, new MeshLambertMaterial({ color: colour, transparent: opacity < 1, opacity, depthWrite: opacity >= 1 }));
}
