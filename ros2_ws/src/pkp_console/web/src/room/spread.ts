// The vertebra with the cement so far: a guess at its spread, drawn as a ball of the delivered volume about each path's tip.

import { Matrix4, Mesh, MeshLambertMaterial, SphereGeometry, Vector3 } from "three";
import type { PathRecord } from "../plan";
import { Stage, surfaceAt } from "./stage";

const LPS_FROM_RAS = new Matrix4().makeScale(-1, -1, 1);

/** Radius of a ball, mm, of a volume in ml. */
export const ballRadius = (ml: number): number => Math.cbrt((3 * ml * 1000) / (4 * Math.PI));

export class SpreadScene {
  private readonly stage: Stage;
  private readonly balls = new Map<string, Mesh>();

  constructor(box: HTMLElement, label: string) {
    this.stage = new Stage(box, label, 32, 1, 1000);
    this.stage.camera.add(this.stage.sun);
  }

  /** Paths of a plan, one a side: room for a ball at each tip. */
  paths(paths: PathRecord[]): void {
    const { scene, orbit, camera } = this.stage;
    const middle = new Vector3();
    for (const path of paths) {
      const tip = new Vector3(...path.target_mm);
      middle.addScaledVector(tip, 1 / paths.length);
      const ball = new Mesh(new SphereGeometry(1, 32, 20), new MeshLambertMaterial({ color: "#6fd3ff", transparent: true, opacity: 0.75 }));
      ball.position.copy(tip);
      ball.visible = false;
      this.balls.set(path.side, ball);
      scene.add(ball);
    }
    orbit.target.copy(middle);
    const far = Math.max(1, 1 / camera.aspect); // a narrow picture is taken from further away
    camera.position.copy(middle).add(new Vector3(27, 80, 57).multiplyScalar(far)); // from behind and above
    orbit.update();
    this.stage.draw();
  }

  async surface(url: string, colour: string, opacity: number): Promise<void> {
    const mesh = await surfaceAt(url, colour, opacity);
    if (!mesh) return;
    mesh.applyMatrix4(LPS_FROM_RAS);
    this.stage.scene.add(mesh);
    this.stage.draw();
  }

  given(side: string, ml: number): void {
    const ball = this.balls.get(side);
    if (!ball) return;
    const radius = ballRadius(ml);
    if (Math.abs(ball.scale.x - radius) < 0.02 && ball.visible === ml > 0) return;
    ball.visible = ml > 0;
    ball.scale.setScalar(Math.max(radius, 0.01));
    this.stage.draw();
  }

  destroy(): void {
    this.stage.destroy();
  }
}
