// The vertebra with the cement so far: a guess at its spread, drawn as a ball of the delivered volume about each path's tip.

import { AmbientLight, Color, DirectionalLight, Matrix4, Mesh, MeshLambertMaterial, PerspectiveCamera, Scene, SphereGeometry, Vector3, WebGLRenderer } from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";
import { STLLoader } from "three/addons/loaders/STLLoader.js";
import { h } from "../dom";
import type { PathRecord } from "../plan";

const LPS_FROM_RAS = new Matrix4().makeScale(-1, -1, 1);

/** Radius of a ball, mm, of a volume in ml. */
export const ballRadius = (ml: number): number => Math.cbrt((3 * ml * 1000) / (4 * Math.PI));

export class SpreadScene {
  private readonly canvas = h("canvas", { tabindex: "0", role: "img" });
  private readonly scene = new Scene();
  private readonly camera = new PerspectiveCamera(32, 1, 1, 1000);
  private readonly renderer: WebGLRenderer;
  private readonly orbit: OrbitControls;
  private readonly observer: ResizeObserver;
  private readonly balls = new Map<string, Mesh>();
  private drawing = 0;

  constructor(
    private readonly box: HTMLElement,
    label: string,
  ) {
    this.canvas.setAttribute("aria-label", label);
    box.append(this.canvas);
    this.renderer = new WebGLRenderer({ canvas: this.canvas, antialias: true, powerPreference: "low-power" });
    this.renderer.setPixelRatio(1);
    this.scene.background = new Color("#0a0f14");
    const sun = new DirectionalLight("#ffffff", 2);
    this.scene.add(new AmbientLight("#ffffff", 1.3), sun, this.camera);
    this.camera.up.set(0, 0, 1);
    this.camera.add(sun);
    this.orbit = new OrbitControls(this.camera, this.canvas);
    this.orbit.enableDamping = false;
    this.orbit.addEventListener("change", () => this.draw());
    this.observer = new ResizeObserver(() => this.fit());
    this.observer.observe(box);
    this.fit();
  }

  /** Paths of a plan, one a side: tubes, and room for a ball at each tip. */
  paths(paths: PathRecord[]): void {
    const middle = new Vector3();
    for (const path of paths) {
      const tip = new Vector3(...path.target_mm);
      middle.addScaledVector(tip, 1 / paths.length);
      const ball = new Mesh(new SphereGeometry(1, 32, 20), new MeshLambertMaterial({ color: "#6fd3ff", transparent: true, opacity: 0.75 }));
      ball.position.copy(tip);
      ball.visible = false;
      this.balls.set(path.side, ball);
      this.scene.add(ball);
    }
    this.orbit.target.copy(middle);
    this.camera.position.copy(middle).add(new Vector3(35, 105, 75)); // from behind and above
    this.orbit.update();
    this.draw();
  }

  async surface(url: string, colour: string, opacity: number): Promise<void> {
    const response = await fetch(url);
    if (!response.ok) return;
    const shape = new STLLoader().parse(await response.arrayBuffer());
    shape.applyMatrix4(LPS_FROM_RAS);
    shape.computeVertexNormals();
    this.scene.add(new Mesh(shape, new MeshLambertMaterial({ color: colour, transparent: true, opacity, depthWrite: false })));
    this.draw();
  }

  given(side: string, ml: number): void {
    const ball = this.balls.get(side);
    if (!ball) return;
    const radius = ballRadius(ml);
    if (Math.abs(ball.scale.x - radius) < 0.02 && ball.visible === ml > 0) return;
    ball.visible = ml > 0;
    ball.scale.setScalar(Math.max(radius, 0.01));
    this.draw();
  }

  destroy(): void {
    cancelAnimationFrame(this.drawing);
    this.observer.disconnect();
    this.orbit.dispose();
    this.scene.traverse((o) => {
      if (!(o instanceof Mesh)) return;
      o.geometry.dispose();
      (o.material as MeshLambertMaterial).dispose();
    });
    this.renderer.dispose();
    this.renderer.forceContextLoss();
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

  private draw(): void {
    if (this.drawing) return;
    this.drawing = requestAnimationFrame(() => {
      this.drawing = 0;
      this.renderer.render(this.scene, this.camera);
    });
  }
}
