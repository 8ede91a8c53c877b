// A progress bar for the upload form; without this script the form is sent as it is.
"use strict";
const form = document.getElementById("upload");
const progress = document.getElementById("progress");
const failure = document.getElementById("failure");
const button = form.querySelector("button");

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

function explain(request) {
  try {
    const problem = JSON.parse(request.responseText);
    // The detail names the bad rows one after the other: each on a line of its own.
    return problem.detail.replaceAll("; line ", "\nline ").replace(": line ", ":\nline ");
  } catch {
    return `${request.status} ${request.statusText}`;
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  failure.hidden = true;
  button.disabled = true;
  const request = new XMLHttpRequest();
  request.open("POST", form.action);
  request.setRequestHeader("Accept", "application/problem+json");
  request.upload.addEventListener("progress", (sent) => {
    const done = sent.total ? Math.round((100 * sent.loaded) / sent.total) : null;
    show(`${progress.dataset.sending} ${done === null ? "" : done + " %"}`, done);
  });
  request.upload.addEventListener("load", () => show(progress.dataset.reading, null));
  request.addEventListener("error", () => fail(progress.dataset.lost));
  request.addEventListener("load", () => {
    // The answer redirects to the page with what was found, which the request has followed.
    if (request.status < 400) window.location.assign(request.responseURL);
    else fail(explain(request));
  });
  request.send(new FormData(form));
});
