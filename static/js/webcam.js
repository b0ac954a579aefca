// A snapshot from the camera.

import { byId, h } from "./dom.js";
import { t } from "./i18n.js";
import { say } from "./notice.js";
import { takeFile } from "./gallery.js";

let stream = null;
let asking = false; // the person: another stream would be on for ever

export function start() {
  const dialog = byId("camera");
  const open = byId("camera-open");
  if (!navigator.mediaDevices?.getUserMedia) {
    open.disabled = true;
    open.title = t("camera.none");
    return;
  }
  open.addEventListener("click", async () => {
    if (asking) return;
    asking = true;
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 } }, audio: false });
    } catch (error) {
      say("error", () => t(error.name === "NotAllowedError" ? "camera.refused" : "camera.none"), { about: "refusal" });
      return;
    } finally {
      asking = false;
    }
    const video = byId("camera-video");
    video.srcObject = stream;
    dialog.showModal();
    await video.play();
  });
  byId("camera-take").addEventListener("click", async () => {
    const video = byId("camera-video");
    const canvas = h("canvas", { width: video.videoWidth, height: video.videoHeight });
    canvas.getContext("2d").drawImage(video, 0, 0);
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
    dialog.close();
    await takeFile(new File([blob], "camera.png", { type: "image/png" }), t("camera.name"));
  });
  dialog.addEventListener("close", () => {
    for (const track of stream?.getTracks() ?? []) track.stop();
    stream = null;
  });
}
