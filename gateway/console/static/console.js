// News: the server renders pieces of the page and pushes them; this puts them where they belong.
"use strict";

for (const place of document.querySelectorAll("[data-news]")) {
  const source = new EventSource(place.dataset.news);
  const status = document.getElementById("news-status");
  const say = (state) => {
    if (status) status.dataset.state = state;
  };
  source.onopen = () => say("live");
  source.onerror = () => say("lost");
  source.addEventListener("item", (message) => {
    const fresh = document.createElement("template");
    fresh.innerHTML = message.data;
    for (const piece of [...fresh.content.children]) {
      const into = piece.dataset.into && document.getElementById(piece.dataset.into);
      const old = piece.id && document.getElementById(piece.id);
      if (into) {
        into.prepend(piece);
        while (into.children.length > Number(into.dataset.most || 200)) into.lastElementChild.remove();
      } else if (old) {
        const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
        old.replaceWith(piece);
        if (focused) document.getElementById(focused)?.focus();
      }
    }
  });
  addEventListener("pagehide", () => source.close());
}

for (const form of document.querySelectorAll("form[data-waits]")) {
  form.addEventListener("submit", () => form.setAttribute("aria-busy", "true"));
}

for (const button of document.querySelectorAll("button[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}
