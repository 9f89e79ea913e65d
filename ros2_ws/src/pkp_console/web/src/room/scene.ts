// The room in three dimensions: what its description draws, put where the newest transforms say; drawn when something has moved.

import {
  BufferGeometry, Color, CylinderGeometry, Float32BufferAttribute, GridHelper, Group, Line, LineBasicMaterial, Matrix4, Mesh,
  MeshLambertMaterial, type Object3D, Quaternion, SphereGeometry, Vector3,
} from "three";
import URDFLoader from "urdf-loader";
import { LOST_MS, between, node, toRoot } from "../frames";
import { frames } from "../live";
import type { PathRecord } from "../plan";
import { pathFrame, lengthOf } from "../pose";
import { eigen } from "./eigen";
import { Stage, surfaceAt } from "./stage";

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
  private readonly stage: Stage;
  private readonly held = new Map<string, Group>();
  private readonly sights = new Map<string, Line>();
  private described = false;

  constructor(box: HTMLElement, label: string) {
    this.stage = new Stage(box, label, 40, 0.005, 20);
    const grid = new GridHelper(4, 20, "#33424f", "#1c2731");
    grid.rotation.x = Math.PI / 2;
    grid.position.z = -0.75;
    this.stage.sun.position.set(1, -0.6, 3);
    this.stage.scene.add(this.stage.sun, grid);
    for (const tool of TOOLS) {
      this.frame(tool).add(glyph());
      const line = new Line(new BufferGeometry().setAttribute("position", new Float32BufferAttribute(6, 3)), new LineBasicMaterial({ color: GOOD }));
      line.frustumCulled = false;
      this.sights.set(tool, line);
      this.stage.scene.add(line);
    }
    this.look("room");
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
    this.stage.draw();
  }

  async surface(url: string, frame: string, colour: string, opacity: number): Promise<void> {
    const mesh = await surfaceAt(url, colour, opacity);
    if (!mesh) return;
    mesh.applyMatrix4(RAS_MM);
    this.frame(frame).add(mesh);
    this.stage.draw();
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
    this.stage.draw();
  }

  look(view: View): void {
    const at = { room: [1.5, -1.35, 1.25], camera: [0.5, 1.5, 1.3], above: [0, -0.02, 2.2], target: [0.22, -0.2, 0.3] }[view];
    const target = this.target();
    const { orbit, camera } = this.stage;
    orbit.target.copy(target);
    camera.position.set(at[0], at[1], at[2]);
    if (view === "target") camera.position.add(target);
    orbit.update();
    this.stage.draw();
  }

  private target(): Vector3 {
    const root = toRoot("guide_tip");
    return root.root === "world" ? new Vector3().setFromMatrixPosition(root.pose) : new Vector3(0, 0, 0.15);
  }

  /** Newest transforms onto what hangs on them; a frame that nobody tells of any more is hidden. Drawn where something has moved. */
  update(): void {
    const camera = between("world", "tracker");
    const eye = camera ? new Vector3().setFromMatrixPosition(camera) : null;
    let moved = false;
    for (const [name, group] of this.held) {
      const up = toRoot(name);
      const there = up.root === "world" && up.age < LOST_MS * 4;
      if (there === group.visible && (!there || !differs(group.matrix, up.pose))) continue;
      moved = true;
      group.visible = there;
      group.matrix.copy(up.pose);
      group.matrixWorldNeedsUpdate = true;
    }
    for (const [tool, line] of this.sights) moved = this.sight(tool, line, eye) || moved;
    if (moved) this.stage.draw();
  }

  /** From the camera to a tool; whether it is another line than before. */
  private sight(tool: string, line: Line, eye: Vector3 | null): boolean {
    const up = toRoot(tool);
    const row = frames()[tool];
    const paint = line.material as LineBasicMaterial;
    const before = `${line.visible} ${paint.color.getHex()}`;
    line.visible = Boolean(eye && row && up.root === "world");
    if (!line.visible || !eye) return before !== `${line.visible} ${paint.color.getHex()}`;
    const there = new Vector3().setFromMatrixPosition(up.pose);
    const places = line.geometry.getAttribute("position") as Float32BufferAttribute;
    places.setXYZ(0, eye.x, eye.y, eye.z);
    places.setXYZ(1, there.x, there.y, there.z);
    places.needsUpdate = true;
    paint.color.copy(node(tool)!.age < LOST_MS ? GOOD : BAD);
    return before !== `${line.visible} ${paint.color.getHex()}`;
  }

  destroy(): void {
    this.stage.destroy();
  }

  private frame(name: string): Group {
    let group = this.held.get(name);
    if (!group) {
      group = new Group();
      group.matrixAutoUpdate = false;
      group.visible = false;
      this.held.set(name, group);
      this.stage.scene.add(group);
    }
    return group;
  }
}

/** Whether a pose differs from what is drawn by more than a picture could show: a hundredth of a millimetre. */
const differs = (a: Matrix4, b: Matrix4): boolean => a.elements.some((v, i) => Math.abs(v - b.elements[i]) > 1e-5);

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
