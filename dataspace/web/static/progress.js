// Shows how far the reading of an upload is; without this script the page refreshes itself.
"use strict";
const place = document.getElementById("progress-of");
const stages = [...document.querySelectorAll("#stages li")];
const bar = document.querySelector("#bar progress");
// Waiting and putting together come after receiving and before scanning.
const BEFORE = { waiting: "receiving", joining: "receiving" };

function show(upload) {
  const name = BEFORE[upload.stage] ?? upload.stage;
  const now = stages.findIndex((stage) => stage.dataset.stage === name);
  stages.forEach((stage, index) => {
    stage.className = index === now ? "now" : index < now ? "done" : "";
    if (index === now) stage.setAttribute("aria-current", "step");
    else stage.removeAttribute("aria-current");
  });
  if (bar) bar.value = upload.progress;
}

async function poll() {
  try {
    const answer = await fetch(place.dataset.upload, { headers: { Accept: "application/json" } });
    if (!answer.ok) return window.location.reload();
    const upload = await answer.json();
    // The page of what was found, or of what went wrong, is made by the service.
    if (upload.state !== "reading") return window.location.reload();
    show(upload);
  } catch {
    // The connection is lost for now; the reading goes on without it.
  }
  setTimeout(poll, 1000);
}

setTimeout(poll, 400);
