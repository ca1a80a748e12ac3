// News: the server renders pieces of the page and pushes them; this puts them where they belong.
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
    } else if (old && old.outerHTML !== piece.outerHTML) {  // or a screen reader would say all of it again
      const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
      old.replaceWith(piece);
      if (focused) document.getElementById(focused)?.focus();
    }
  }
  fetchLate().catch(() => {});  // its link stays
}

// What takes long is fetched as the page that shows it, and put in its place.
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

function say(state) {
  const status = document.getElementById("updates-status");
  if (status) status.dataset.state = state;
}

function listen(address) {
  const source = new EventSource(address);
  source.onopen = () => say("live");
  source.onerror = () => say("lost");
  source.addEventListener("item", (message) => put(message.data));
  return source;
}

const place = document.querySelector("[data-updates]");
if (place) {
  let source = listen(place.dataset.updates);
  // A browser opens six connections to one host at most, so a page that nobody sees gives its own up. Whoever
  // comes back is given all of it anew. A trace goes on: what it missed would be lost.
  if (!("keeps" in place.dataset)) {
    document.addEventListener("visibilitychange", () => {
      source.close();
      if (document.hidden) say("lost");
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
