// Slices in one NiiVue, the light 3D scene (surfaces, no volume) in another: one crosshair for both.

import { NVImage, NVMesh, Niivue, SHOW_RENDER, SLICE_TYPE } from "@niivue/niivue";
import { type Point, turned } from "./space";
import { tube } from "./tubes";

const AXIAL = SLICE_TYPE.AXIAL;
const CORONAL = SLICE_TYPE.CORONAL;
const SAGITTAL = SLICE_TYPE.SAGITTAL;
/** Which of RAS x, y, z run across and up each kind of slice. */
const ACROSS: Record<number, [number, number, number]> = { [AXIAL]: [0, 1, 2], [CORONAL]: [0, 2, 1], [SAGITTAL]: [1, 2, 0] };
export type Colour = [number, number, number, number];
const PALETTE: [number, number, number][] = [
  [102, 194, 255], [255, 178, 102], [150, 220, 130], [220, 150, 230], [255, 225, 110], [120, 220, 215], [240, 140, 150],
];
export const WINDOWS: Record<string, [number, number]> = { bone: [-200, 1200], soft: [-150, 250] };

/** Slices that fill their tile: NiiVue would letterbox a narrow volume, and a spine is narrow. */
function fillTiles(nv: Niivue): void {
  const draw = nv.draw2D.bind(nv);
  const field = nv.screenFieldOfViewExtendedMM.bind(nv);
  let aspect = 1;
  nv.draw2D = (box, kind, mm) => {
    aspect = box[2] / box[3];
    draw(box, kind, mm, [NaN, NaN]);
  };
  nv.screenFieldOfViewExtendedMM = (kind) => {
    const seen = field(kind);
    const [wide, high] = [0, 1].map((n) => seen.mxMM[n] - seen.mnMM[n]);
    const n = wide / high < aspect ? 0 : 1;
    const more = (n === 0 ? high * aspect - wide : wide / aspect - high) / 2;
    seen.mnMM[n] -= more;
    seen.mxMM[n] += more;
    seen.fovMM[n] += 2 * more;
    return seen;
  };
}

export interface Tile {
  kind: number;
  /** Left, top, width, height in CSS pixels; whether x runs to the left. */
  box: [number, number, number, number];
  mirrored: boolean;
  /** Axes of RAS across, up, and through. */
  axes: [number, number, number];
  from: [number, number];
  span: [number, number];
}

export class Viewer {
  readonly slices: Niivue;
  readonly solid: Niivue;
  onMove: (lps: Point) => void = () => undefined;
  private ct: NVImage | null = null;
  private labels: NVImage | null = null;
  private meshes = new Map<string, NVMesh>();
  private tubes: NVMesh[] = [];
  private outlines = new Map<string, NVMesh>();

  constructor(
    private readonly flat: HTMLCanvasElement,
    private readonly deep: HTMLCanvasElement,
  ) {
    const common = {
      backColor: [0.02, 0.03, 0.04, 1],
      crosshairColor: [0.44, 0.83, 1, 0.75],
      dragAndDropEnabled: false,
      isColorbar: false,
      logLevel: "error" as const,
      loadingText: "",
      viewModeHotKey: "",
      clipPlaneHotKey: "",
      cycleClipPlaneHotKey: "",
    };
    this.slices = new Niivue({
      ...common,
      isSliceMM: true,
      isRadiologicalConvention: true,
      multiplanarShowRender: SHOW_RENDER.NEVER,
      meshThicknessOn2D: 0.8,
      crosshairWidth: 0.6,
      crosshairGap: 6,
      fontMinPx: 14,
      isOrientationTextVisible: true,
      tileMargin: 4,
    });
    this.solid = new Niivue({ ...common, show3Dcrosshair: true, isOrientCube: true, sliceType: SLICE_TYPE.RENDER, crosshairWidth: 0.35 });
  }

  async open(): Promise<void> {
    await this.slices.attachToCanvas(this.flat);
    await this.solid.attachToCanvas(this.deep);
    fillTiles(this.slices);
    this.slices.setCustomLayout([
      { sliceType: AXIAL, position: [0, 0, 0.5, 0.5] },
      { sliceType: SAGITTAL, position: [0.5, 0, 0.5, 0.5] },
      { sliceType: CORONAL, position: [0, 0.5, 0.5, 0.5] },
    ]);
    this.slices.onLocationChange = (where) => {
      const mm = (where as { mm: number[] }).mm;
      this.onMove(turned(mm));
    };
    this.solid.setRenderAzimuthElevation(150, 20);
    this.solid.setScale(1.7);
  }

  /** Show a CT; what was shown before stays until the new one is there. */
  async showCt(url: string, window: [number, number]): Promise<void> {
    const image = await NVImage.loadFromUrl({ url, name: "ct.nii", cal_min: window[0], cal_max: window[1], trustCalMinMax: true });
    const kept = this.slices.volumes.length ? this.crosshair() : null;
    [image.cal_min, image.cal_max] = window;
    this.ct = image;
    this.lay();
    if (kept) this.goTo(kept);
  }

  async showLabels(url: string, opacity: number): Promise<void> {
    const image = await NVImage.loadFromUrl({ url, name: "labels.nii.gz", opacity });
    const shades = Array.from({ length: 29 }, (_, n) => (n === 0 ? [0, 0, 0] : PALETTE[n % PALETTE.length]));
    image.setColormapLabel({
      R: shades.map((c) => c[0]),
      G: shades.map((c) => c[1]),
      B: shades.map((c) => c[2]),
      A: shades.map((_, n) => (n === 0 ? 0 : 255)),
      I: shades.map((_, n) => n),
    });
    this.labels = image;
    this.lay();
  }

  /** Both volumes at once: each update on its own would send the whole CT to the graphics card again. */
  private lay(): void {
    const volumes = [this.ct, this.labels].filter((v): v is NVImage => v !== null);
    this.slices.volumes = volumes;
    this.slices.back = volumes[0] ?? null;
    this.slices.overlays = volumes.slice(1);
    this.slices.updateGLVolume();
  }

  setLabels(opacity: number): void {
    if (!this.labels) return;
    this.slices.setOpacity(this.slices.volumes.indexOf(this.labels), opacity);
  }

  setWindow(window: [number, number]): void {
    const image = this.slices.volumes[0];
    if (!image) return;
    [image.cal_min, image.cal_max] = window;
    this.slices.updateGLVolume();
  }

  /** A surface (STL in RAS mm), in 3D and where asked as an outline on the slices. */
  async addSurface(name: string, url: string, colour: Colour, onSlices: boolean): Promise<void> {
    const options = { url, name: `${name}.stl`, rgba255: new Uint8Array([colour[0], colour[1], colour[2], 255]), opacity: colour[3] / 255 };
    const mesh = await NVMesh.loadFromUrl({ ...options, gl: this.solid.gl });
    this.meshes.set(name, mesh);
    this.solid.meshes.push(mesh);
    if (onSlices) {
      const flat = await NVMesh.loadFromUrl({ ...options, opacity: 0.55, gl: this.slices.gl });
      this.outlines.set(name, flat);
      this.slices.meshes.push(flat); // addMesh would send the CT to the graphics card again
    }
  }

  clearSurfaces(): void {
    this.solid.meshes = this.solid.meshes.filter((m) => !this.discard([...this.meshes.values()], m, this.solid));
    this.slices.meshes = this.slices.meshes.filter((m) => !this.discard([...this.outlines.values()], m, this.slices));
    this.meshes.clear();
    this.outlines.clear();
  }

  private discard(these: NVMesh[], mesh: NVMesh, nv: Niivue): boolean {
    if (!these.includes(mesh)) return false;
    mesh.unloadMesh(nv.gl);
    return true;
  }

  setVisible(match: (name: string) => boolean, visible: boolean): void {
    for (const [held, nv] of [[this.meshes, this.solid], [this.outlines, this.slices]] as const) {
      for (const [name, mesh] of held) if (match(name)) mesh.visible = visible;
      nv.drawScene();
    }
  }

  /** Paths as tubes through points (ct_lps mm), in place of those before. The opaque come first, that what is inside shows. */
  setTubes(tubes: { way: Point[]; radius: number; colour: Colour }[]): void {
    this.solid.meshes = this.solid.meshes.filter((m) => !this.discard(this.tubes, m, this.solid));
    this.tubes = tubes.map(({ way, radius, colour }, n) => {
      const { points, triangles } = tube(way.map(turned), radius);
      const shade = new Uint8Array([colour[0], colour[1], colour[2], 255]);
      return new NVMesh(points, triangles, `path ${n}`, shade, colour[3] / 255, true, this.solid.gl);
    });
    this.solid.meshes = [...this.tubes, ...this.solid.meshes];
    this.solid.updateGLVolume();
  }

  crosshair(): Point {
    return turned(this.slices.frac2mm(this.slices.scene.crosshairPos) as unknown as number[]);
  }

  /** Put the crosshair at a ct_lps point; with a zoom, bring it to the middle of each slice too. */
  goTo(lps: Point, zoom?: number): void {
    const mm = turned(lps);
    if (!this.slices.volumes.length) return;
    this.slices.scene.crosshairPos = this.slices.mm2frac(mm as never);
    if (zoom !== undefined) this.centre(mm, zoom);
    this.slices.drawScene();
    this.follow(lps);
  }

  /** The 3D scene's crosshair. */
  follow(lps: Point): void {
    if (!this.meshes.size) return;
    this.solid.scene.crosshairPos = this.solid.mm2frac(turned(lps) as never);
    this.solid.drawScene();
  }

  private centre(mm: Point, zoom: number): void {
    const { mnMM: low, mxMM: high } = this.slices.screenFieldOfViewExtendedMM(AXIAL);
    // NiiVue shows (extent − pan) / zoom
    const pan = mm.map((c, n) => (low[n] + high[n]) / 2 - zoom * c);
    this.slices.scene.pan2Dxyzmm = [pan[0], pan[1], pan[2], zoom] as never;
  }

  /** Where each slice lies on the page and what it shows. */
  tiles(): Tile[] {
    const ratio = this.slices.uiData.dpr || 1;
    return this.slices.screenSlices
      .filter((s) => s.axCorSag <= SAGITTAL && s.fovMM.length > 1 && s.fovMM[0] * s.fovMM[1] && Number.isFinite(s.leftTopMM[0] + s.leftTopMM[1]))
      .map((s) => {
        let [left, top, width, height] = s.leftTopWidthHeight.map((v) => v / ratio);
        const mirrored = width < 0;
        if (mirrored) {
          left += width;
          width = -width;
        }
        return {
          kind: s.axCorSag,
          box: [left, top, width, height],
          mirrored,
          axes: ACROSS[s.axCorSag],
          from: [s.leftTopMM[0], s.leftTopMM[1]],
          span: [s.fovMM[0], s.fovMM[1]],
        } as Tile;
      });
  }
}

/** A RAS point on a tile, in CSS pixels, and how far (mm) it lies from the slice through `at`. */
export function project(tile: Tile, ras: Point, at: Point): { x: number; y: number; off: number } {
  const across = (ras[tile.axes[0]] - tile.from[0]) / tile.span[0];
  const up = (ras[tile.axes[1]] - tile.from[1]) / tile.span[1];
  const [left, top, width, height] = tile.box;
  return {
    x: left + (tile.mirrored ? 1 - across : across) * width,
    y: top + (1 - up) * height,
    off: Math.abs(ras[tile.axes[2]] - at[tile.axes[2]]),
  };
}

/** A place on a tile back into RAS, with the third coordinate of `keep`. */
export function lift(tile: Tile, x: number, y: number, keep: Point): Point {
  const [left, top, width, height] = tile.box;
  const across = tile.mirrored ? 1 - (x - left) / width : (x - left) / width;
  const out: Point = [...keep];
  out[tile.axes[0]] = tile.from[0] + across * tile.span[0];
  out[tile.axes[1]] = tile.from[1] + (1 - (y - top) / height) * tile.span[1];
  return out;
}

export const within = (tile: Tile, x: number, y: number): boolean =>
  x >= tile.box[0] && x <= tile.box[0] + tile.box[2] && y >= tile.box[1] && y <= tile.box[1] + tile.box[3];
