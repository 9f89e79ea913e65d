// The room in three dimensions: what its description draws, put where the newest transforms say; drawn when something is new.

import {
  AmbientLight, BufferGeometry, Color, CylinderGeometry, DirectionalLight, Float32BufferAttribute, GridHelper, Group, Line,
  LineBasicMaterial, Matrix4, Mesh, MeshLambertMaterial, type Object3D, PerspectiveCamera, Quaternion, Scene, SphereGeometry, Vector3,
  WebGLRenderer,
} from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";
import { STLLoader } from "three/addons/loaders/STLLoader.js";
import URDFLoader from "urdf-loader";
import { LOST_MS, between, toRoot } from "../frames";
import { h } from "../dom";
import { frames } from "../live";
import type { PathRecord } from "../plan";
import { pathFrame, lengthOf } from "../pose";
import { eigen } from "./eigen";

export const TOOLS = ["patient_ref", "robot_ref", "probe_tip"] as const;
const GOOD = new Color("#4ade80");
const BAD = new Color("#ff8a80");
const RAS_MM = new Matrix4().makeScale(-0.001, -0.001, 0.001); // the server's surfaces: RAS mm; ct_lps: LPS m
/** Squared radius that holds 95 % of a normal error in three dimensions. */
const CHI2_95 = 7.815;
export const VIEWS = ["room", "camera", "above", "target"] as const;
export type View = (typeof VIEWS)[number];

export interface TargetError {
  side: string;
  target: { x: number; y: number; z: number };
  covariance: number[];
}

export class RoomScene {
  readonly canvas = h("canvas", { tabindex: "0", role: "img" });
  private readonly scene = new Scene();
  private readonly camera = new PerspectiveCamera(40, 1, 0.005, 20);
  private readonly renderer: WebGLRenderer;
  private readonly orbit: OrbitControls;
  private readonly observer: ResizeObserver;
  private readonly held = new Map<string, Group>();
  private readonly sights = new Map<string, Line>();
  private drawing = 0;
  private described = false;

  constructor(private readonly box: HTMLElement) {
    box.append(this.canvas);
    this.renderer = new WebGLRenderer({ canvas: this.canvas, antialias: true, powerPreference: "low-power" });
    this.renderer.setPixelRatio(1);
    this.scene.background = new Color("#0a0f14");
    this.scene.add(new AmbientLight("#ffffff", 1.4));
    const sun = new DirectionalLight("#ffffff", 1.8);
    sun.position.set(1, -0.6, 3);
    const grid = new GridHelper(4, 20, "#33424f", "#1c2731");
    grid.rotation.x = Math.PI / 2;
    grid.position.z = -0.75;
    this.scene.add(sun, grid);
    this.camera.up.set(0, 0, 1);
    this.orbit = new OrbitControls(this.camera, this.canvas);
    this.orbit.enableDamping = false;
    this.orbit.addEventListener("change", () => this.draw());
    this.observer = new ResizeObserver(() => this.fit());
    this.observer.observe(box);
    for (const tool of TOOLS) {
      this.frame(tool).add(glyph());
      const line = new Line(new BufferGeometry().setAttribute("position", new Float32BufferAttribute(6, 3)), new LineBasicMaterial({ color: GOOD }));
      line.frustumCulled = false;
      this.sights.set(tool, line);
      this.scene.add(line);
    }
    this.look("room");
    this.fit();
  }

  get known(): boolean {
    return this.described;
  }

  describe(urdf: string): void {
    const robot = new URDFLoader().parse(urdf);
    robot.updateMatrixWorld(true);
    for (const [name, link] of Object.entries(robot.links ?? {})) {
      for (const child of [...link.children] as Object3D[]) {
        if (!(child as any).isURDFVisual) continue;
        child.traverse((o) => {
          if (!(o instanceof Mesh)) return;
          const from = (o.material as any).color as Color | undefined;
          const opacity = name === "patient" ? 0.16 : ((o.material as any).opacity ?? 1);
          o.material = new MeshLambertMaterial({ color: from && from.getHex() !== 0xffffff ? from : "#9fb2c2", transparent: opacity < 1, opacity, depthWrite: opacity >= 1 });
        });
        this.frame(name).add(child);
      }
    }
    this.described = true;
    this.update();
  }

  async surface(url: string, frame: string, colour: string, opacity: number): Promise<void> {
    const response = await fetch(url);
    if (!response.ok) return;
    const shape = new STLLoader().parse(await response.arrayBuffer());
    shape.computeVertexNormals();
    const mesh = new Mesh(shape, new MeshLambertMaterial({ color: colour, transparent: opacity < 1, opacity, depthWrite: opacity >= 1 }));
    mesh.applyMatrix4(RAS_MM);
    this.frame(frame).add(mesh);
    this.draw();
  }

  path(path: PathRecord, chosen: boolean): void {
    const long = lengthOf(path);
    const tube = new Mesh(new CylinderGeometry(path.diameter_mm / 2000, path.diameter_mm / 2000, long, 16), new MeshLambertMaterial({ color: chosen ? "#6fd3ff" : "#4b6576" }));
    tube.rotation.x = Math.PI / 2;
    tube.position.z = long / 2;
    const group = new Group();
    group.add(tube);
    group.applyMatrix4(pathFrame(path));
    this.frame("ct_lps").add(group);
  }

  /** The true target lies in here with 95 %, as predicted. */
  errors(found: TargetError[]): void {
    const group = this.frame("patient_ref");
    group.children.filter((c) => c.name === "error").forEach((c) => group.remove(c));
    for (const error of found) {
      const { values, vectors } = eigen(error.covariance);
      const ball = new Mesh(new SphereGeometry(1, 24, 16), new MeshLambertMaterial({ color: "#fbbf24", transparent: true, opacity: 0.55, depthWrite: false }));
      ball.name = "error";
      const [a, b, c] = values.map((v) => Math.sqrt(Math.max(v, 1e-10) * CHI2_95));
      const turn = new Matrix4().makeBasis(vectors[0], vectors[1], new Vector3().crossVectors(vectors[0], vectors[1]));
      ball.matrixAutoUpdate = false;
      ball.matrix.compose(new Vector3(error.target.x, error.target.y, error.target.z), new Quaternion().setFromRotationMatrix(turn), new Vector3(a, b, c));
      group.add(ball);
    }
    this.draw();
  }

  look(view: View): void {
    const at = { room: [1.5, -1.35, 1.25], camera: [0.5, 1.5, 1.3], above: [0, -0.02, 2.2], target: [0.22, -0.2, 0.3] }[view];
    const target = this.target();
    this.orbit.target.copy(target);
    this.camera.position.set(at[0], at[1], at[2]);
    if (view === "target") this.camera.position.add(target);
    this.orbit.update();
    this.draw();
  }

  private target(): Vector3 {
    const root = toRoot("guide_tip");
    return root.root === "world" ? new Vector3().setFromMatrixPosition(root.pose) : new Vector3(0, 0, 0.15);
  }

  /** Newest transforms onto what hangs on them; a frame that nobody tells of any more is hidden. */
  update(): void {
    const camera = between("world", "tracker");
    const eye = camera ? new Vector3().setFromMatrixPosition(camera) : null;
    for (const [name, group] of this.held) {
      const up = toRoot(name);
      group.visible = up.root === "world" && up.age < LOST_MS * 4;
      if (group.visible) {
        group.matrix.copy(up.pose);
        group.matrixWorldNeedsUpdate = true;
      }
    }
    for (const [tool, line] of this.sights) {
      const up = toRoot(tool);
      const row = frames()[tool];
      line.visible = Boolean(eye && row && up.root === "world");
      if (!line.visible || !eye) continue;
      const there = new Vector3().setFromMatrixPosition(up.pose);
      const places = line.geometry.getAttribute("position") as Float32BufferAttribute;
      places.setXYZ(0, eye.x, eye.y, eye.z);
      places.setXYZ(1, there.x, there.y, there.z);
      places.needsUpdate = true;
      (line.material as LineBasicMaterial).color = row[8] < LOST_MS ? GOOD : BAD;
    }
    this.draw();
  }

  destroy(): void {
    cancelAnimationFrame(this.drawing);
    this.observer.disconnect();
    this.orbit.dispose();
    this.scene.traverse((o) => {
      if (o instanceof Mesh || o instanceof Line) {
        o.geometry.dispose();
        [o.material].flat().forEach((m) => m.dispose());
      }
    });
    this.renderer.dispose();
    this.renderer.forceContextLoss(); // a browser keeps few contexts; the next page wants one
    this.canvas.remove();
  }

  private frame(name: string): Group {
    let group = this.held.get(name);
    if (!group) {
      group = new Group();
      group.matrixAutoUpdate = false;
      group.visible = false;
      this.held.set(name, group);
      this.scene.add(group);
    }
    return group;
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
      this.canvas.dataset.frames = String(Number(this.canvas.dataset.frames ?? 0) + 1);
    });
  }
}

/** A tool as the camera knows it: four spheres. */
function glyph(): Group {
  const group = new Group();
  const paint = new MeshLambertMaterial({ color: "#e9f0f6" });
  for (const [x, y] of [[0, 0], [0.05, 0], [0, 0.05], [-0.04, 0.03]]) {
    const ball = new Mesh(new SphereGeometry(0.0075, 12, 8), paint);
    ball.position.set(x, y, 0.01);
    group.add(ball);
  }
  return group;
}
