// The turning picture: meshes come as base64 in a JSON element, parts are switched by check boxes.
import * as THREE from "three";
import { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";

function decode(text, Type) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  return new Type(bytes.buffer);
}

function start() {
  const host = document.getElementById("view3d");
  const data = JSON.parse(document.getElementById("meshes").textContent);
  let renderer;
  try {
    renderer = new THREE.WebGLRenderer({ antialias: true, preserveDrawingBuffer: true });
  } catch (error) {
    host.dataset.state = "no-webgl"; // the still picture under it stays
    return;
  }
  const scene = new THREE.Scene();
  scene.background = new THREE.Color(0x10161d);
  const camera = new THREE.PerspectiveCamera(28, 1, 1, 3000);
  camera.up.set(0, 0, 1);
  scene.add(new THREE.HemisphereLight(0xffffff, 0x445566, 1.6));
  const lamp = new THREE.DirectionalLight(0xffffff, 1.8);
  camera.add(lamp);
  scene.add(camera);
  const centre = new THREE.Vector3(...data.centre);
  const toggles = document.getElementById("parts");
  for (const part of data.parts) {
    const geometry = new THREE.BufferGeometry();
    geometry.setAttribute("position", new THREE.BufferAttribute(decode(part.points, Float32Array), 3));
    geometry.setIndex(new THREE.BufferAttribute(decode(part.faces, Uint32Array), 1));
    geometry.computeVertexNormals();
    const clear = part.opacity < 1;
    const material = new THREE.MeshStandardMaterial({
      color: part.color, opacity: part.opacity, transparent: clear, depthWrite: !clear, roughness: 0.6, side: THREE.DoubleSide,
    });
    const mesh = new THREE.Mesh(geometry, material);
    mesh.renderOrder = clear ? 2 : 1;
    mesh.visible = part.visible;
    scene.add(mesh);
    const label = document.createElement("label");
    const box = document.createElement("input");
    box.type = "checkbox";
    box.checked = part.visible;
    box.addEventListener("change", () => { mesh.visible = box.checked; draw(); });
    const swatch = document.createElement("i");
    swatch.style.background = part.color;
    label.append(box, swatch, part.name);
    toggles.append(label);
  }
  const controls = new OrbitControls(camera, renderer.domElement);
  controls.target.copy(centre);
  camera.position.set(centre.x + 150, centre.y + 260, centre.z + 110);
  function draw() { renderer.render(scene, camera); }
  function fit() {
    const width = host.clientWidth, height = host.clientHeight;
    renderer.setSize(width, height);
    renderer.setPixelRatio(Math.min(2, window.devicePixelRatio));
    camera.aspect = width / height;
    camera.updateProjectionMatrix();
    draw();
  }
  controls.addEventListener("change", draw);
  host.replaceChildren(renderer.domElement);
  window.addEventListener("resize", fit);
  controls.update();
  fit();
  host.dataset.state = "drawn";
}

start();
