// A small client of tus 1.0.0 (https://tus.io): a file goes up in pieces, and goes on where it stopped after
// a lost connection or a reload. Without this script the form is sent as it is.
"use strict";
const CREATION = "/api/uploads/resumable";
const PIECE = 8 * 1024 * 1024;
const HASHED = 256 * 1024 * 1024;
const TRIES = 8; // in a row, without a byte that arrived in between
const DELIMITERS = { tab: "\t", soh: "\x01", space: " " };

const form = document.getElementById("upload");
const progress = document.getElementById("progress");
const failure = document.getElementById("failure");
const button = form.querySelector("button");

class Failed extends Error {}

function show(text, done) {
  progress.hidden = false;
  progress.querySelector("span").textContent = text;
  const bar = progress.querySelector("progress");
  if (done === null) bar.removeAttribute("value");
  else bar.value = done;
}

function fail(text) {
  progress.hidden = true;
  failure.textContent = text;
  failure.hidden = false;
  button.disabled = false;
}

// One request; resolves with it whatever its status is, and with status 0 when the connection was lost.
function send(method, address, headers, body, sent) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open(method, address);
    const all = { "Tus-Resumable": "1.0.0", Accept: "application/problem+json", ...headers };
    for (const [name, value] of Object.entries(all)) request.setRequestHeader(name, value);
    if (sent) request.upload.addEventListener("progress", (event) => sent(event.loaded));
    for (const end of ["load", "error", "abort", "timeout"]) {
      request.addEventListener(end, () => resolve(request));
    }
    request.send(body);
  });
}

function explain(request) {
  try {
    return JSON.parse(request.responseText).detail;
  } catch {
    return `${request.status} ${request.statusText}`;
  }
}

function encoded(text) {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

async function sha256(file) {
  if (file.size > HASHED || !window.crypto?.subtle) {
    document.getElementById("unchecked").hidden = false;
    return "";
  }
  show(progress.dataset.hashing, null);
  const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

// Where an upload of this very file, for this zone and dataset, goes on.
function memory(file) {
  const fields = new FormData(form);
  const of = ["zone", "dataset"].map((name) => fields.get(name) ?? "");
  return ["upload", file.name, file.size, file.lastModified, ...of].join(":");
}

function remember(key, address) {
  try {
    if (address) localStorage.setItem(key, address);
    else localStorage.removeItem(key);
  } catch {
    // Nothing can be stored: it goes on all the same, as long as the page is open.
  }
}

function remembered(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

async function create(file) {
  const said = { filename: file.name, sha256: await sha256(file) };
  for (const [name, value] of new FormData(form)) {
    if (typeof value === "string") said[name] = value.trim();
  }
  if (said.delimiter) said.delimiter = DELIMITERS[said.delimiter] ?? said.delimiter;
  const pairs = Object.entries(said).filter(([, value]) => value);
  const metadata = pairs.map(([name, value]) => `${name} ${encoded(value)}`).join(",");
  const request = await send("POST", CREATION, { "Upload-Length": file.size, "Upload-Metadata": metadata });
  if (request.status === 0) throw new Failed(progress.dataset.lost);
  if (request.status !== 201) throw new Failed(explain(request));
  return request.getResponseHeader("Location");
}

// Where the upload goes on: a byte, null when there is none any more, undefined while nobody answers.
async function offset(address, file) {
  const request = await send("HEAD", address, {});
  if (request.status === 200) {
    if (Number(request.getResponseHeader("Upload-Length")) !== file.size) return null;
    return Number(request.getResponseHeader("Upload-Offset"));
  }
  return [401, 403, 404, 410].includes(request.status) ? null : undefined;
}

function pause(tries) {
  show(progress.dataset.waiting, null);
  return new Promise((resolve) => setTimeout(resolve, Math.min(500 * 2 ** tries, 15000)));
}

async function transfer(address, file, start) {
  let done = start;
  let tries = 0;
  const tell = (loaded) => {
    const percent = Math.floor((100 * Math.min(done + loaded, file.size)) / file.size);
    show(`${progress.dataset.sending} ${percent} %`, percent);
  };
  tell(0);
  while (done < file.size) {
    const headers = { "Content-Type": "application/offset+octet-stream", "Upload-Offset": done };
    const request = await send("PATCH", address, headers, file.slice(done, done + PIECE), tell);
    if (request.status === 204) {
      done = Number(request.getResponseHeader("Upload-Offset"));
      tries = 0;
      continue;
    }
    // Lost, busy, or elsewhere than we think: ask where it goes on. Anything else is final.
    const passing = [0, 408, 409, 423, 429, 500, 502, 503, 504].includes(request.status);
    if (!passing) throw new Failed(explain(request));
    if (tries === TRIES) throw new Failed(progress.dataset.lost);
    await pause(tries);
    tries += 1;
    const found = await offset(address, file);
    if (found === null) throw new Failed(explain(request));
    if (found !== undefined) {
      if (found > done) tries = 0;
      done = found;
      tell(0);
    }
  }
}

async function resume(file) {
  if (file.size !== Number(form.dataset.length)) throw new Failed(progress.dataset.other);
  const found = await offset(form.dataset.resume, file);
  if (typeof found !== "number") throw new Failed(progress.dataset.lost);
  await transfer(form.dataset.resume, file, found);
  return form.dataset.resume;
}

async function upload(file) {
  const key = memory(file);
  let address = remembered(key);
  let start = address ? await offset(address, file) : null;
  if (start === undefined) throw new Failed(progress.dataset.lost);
  if (start === null || start === file.size) {
    address = await create(file);
    start = 0;
    remember(key, address);
  }
  await transfer(address, file, start);
  remember(key, "");
  return address;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  failure.hidden = true;
  button.disabled = true;
  const file = form.querySelector("input[type=file]").files[0];
  try {
    const address = await (form.dataset.resume ? resume(file) : upload(file));
    // That page shows the stages of the reading, and then what was found.
    window.location.assign(`/portal/uploads/${address.split("/").pop()}`);
  } catch (error) {
    if (!(error instanceof Failed)) throw error;
    fail(error.message);
  }
});
