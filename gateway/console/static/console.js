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

function listen(address) {
  const source = new EventSource(address);
  source.onopen = () => setStatus("live");
  source.onerror = () => setStatus("lost");
  source.addEventListener("item", (message) => put(message.data));
  return source;
}

const place = document.querySelector("[data-updates]");
if (place) {
  let source = listen(place.dataset.updates);
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
