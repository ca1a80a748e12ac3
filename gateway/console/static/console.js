// Live updates: the server renders fragments of the page and pushes them; this script inserts them.
"use strict";

function put(html) {
  const fresh = document.createElement("template");
  fresh.innerHTML = html;
  for (const piece of [...fresh.content.children]) {
    const into = piece.dataset.into && document.getElementById(piece.dataset.into);
    const old = piece.id && document.getElementById(piece.id);
    if (into) {
      into.prepend(piece);
      while (into.children.length > Number(into.dataset.most || 200)) into.lastElementChild.remove();
    } else if (old && old.outerHTML !== piece.outerHTML) {  // otherwise a screen reader would read all of it again
      const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
      old.replaceWith(piece);
      if (focused) document.getElementById(focused)?.focus();
    }
  }
  fetchLate().catch(() => {});  // its link remains
}

// Slow content is fetched from the page that shows it, and inserted.
async function fetchLate() {
  for (const late of document.querySelectorAll("[data-late]")) {
    const address = late.dataset.late;
    delete late.dataset.late;
    const answer = await fetch(address);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const found = page.getElementById(late.id);
    if (answer.ok && found) late.replaceWith(found);
  }
}

function setStatus(state) {
  const status = document.getElementById("updates-status");
  if (status) status.dataset.state = state;
}

// A state that the gateway has not confirmed for this time is not shown as present: a cut network, and a gateway
// that hangs, close no connection.
const UNKNOWN_AFTER_MS = 5000;
const place = document.querySelector("[data-updates]");
const now = () => [Date.now(), performance.now()];  // one may be set back, the other may stand in a sleeping machine
let confirmed = now();

function showAge() {
  const [unix, since] = now();
  const age = Math.max(unix - confirmed[0], since - confirmed[1]);
  const old = age > UNKNOWN_AFTER_MS;
  place.classList.toggle("old", old);
  if (!old) return;
  setStatus("old");
  const shown = document.getElementById("updates-age");
  if (shown) shown.textContent = `${Math.floor(age / 1000)} s`;
}

function confirm(age = 0) {
  const [unix, since] = now();
  confirmed = [Math.max(confirmed[0], unix - age), Math.max(confirmed[1], since - age)];
  setStatus("live");
  showAge();
}

function listen(address) {
  const source = new EventSource(address);
  source.onopen = () => { if ("keeps" in place.dataset) setStatus("live"); };
  source.onerror = () => { if (!place.classList.contains("old")) setStatus("lost"); };
  source.addEventListener("item", (message) => { put(message.data); confirm(); });
  source.addEventListener("alive", (message) => confirm(1000 * Number(message.data)));
  return source;
}

if (place) {
  let source = listen(place.dataset.updates);
  if (!("keeps" in place.dataset)) setInterval(showAge, 500);
  // A browser opens at most six connections to one host, so a hidden page closes its stream. It receives the
  // whole content again later. A trace stays open: missed items would be lost.
  if (!("keeps" in place.dataset)) {
    document.addEventListener("visibilitychange", () => {
      source.close();
      if (document.hidden) setStatus("lost");
      else source = listen(place.dataset.updates);
    });
  }
  addEventListener("pagehide", () => source.close());
}

fetchLate().catch(() => {});

for (const form of document.querySelectorAll("form[data-waits]")) {
  form.addEventListener("submit", () => form.setAttribute("aria-busy", "true"));
}

for (const button of document.querySelectorAll("button[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}
