// Keeps the inbox current: when the server says that it has changed, the list is fetched and put in the place of the old one.
// Without this script the page is the same, as of when it was loaded.
"use strict";

const live = document.querySelector("[data-live]");

if (live && window.EventSource) {
  const events = new EventSource("/events");
  events.addEventListener(live.dataset.live, refresh);
  // What came while the connection was away is not told again.
  let opened = false;
  events.addEventListener("open", () => {
    if (opened) refresh();
    opened = true;
  });
}

async function refresh() {
  const answer = await fetch(location.href, { headers: { accept: "text/html" } });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById(live.id);
  if (!fresh) return;
  // Whoever is on a link by the keyboard stays on it.
  const at = live.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  live.replaceChildren(...fresh.childNodes);
  document.title = page.title;
  if (at) live.querySelector(`[href="${CSS.escape(at)}"]`)?.focus();
}
