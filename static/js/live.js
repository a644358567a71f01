// Keeps the page as the server would draw it now: listens for changes of the portal's status, asks for this very page
// again, and takes over what differs. All numbers and words stay the server's business.
(() => {
  "use strict";

  const live = document.getElementById("live");
  if (!live || !window.EventSource) return;

  // Not more often than this, however fast the status changes.
  const PAUSE_MS = 900;
  // Relative times grow old by themselves.
  const RELOAD_MS = 60_000;
  let waiting = false;
  let again = false;
  let first = true;

  /** Makes `now` like `next`, keeping every node that is the same, so that focus and open details stay. */
  function takeOver(now, next) {
    if (now.nodeType === Node.TEXT_NODE) {
      if (now.data !== next.data) now.data = next.data;
      return;
    }
    if (now.nodeType !== Node.ELEMENT_NODE || now.hasAttribute("data-still")) return;
    for (const { name } of [...now.attributes]) {
      if (!next.hasAttribute(name) && name !== "open") now.removeAttribute(name);
    }
    for (const { name, value } of next.attributes) {
      if (now.getAttribute(name) !== value) now.setAttribute(name, value);
    }
    let at = now.firstChild;
    for (const child of [...next.childNodes]) {
      let same = at;
      while (same && !isSame(same, child)) same = same.nextSibling;
      if (!same) {
        now.insertBefore(child, at);
        continue;
      }
      while (at !== same) at = removed(at);
      takeOver(same, child);
      at = same.nextSibling;
    }
    while (at) at = removed(at);
  }

  function isSame(a, b) {
    return a.nodeType === b.nodeType && a.nodeName === b.nodeName && a.id === b.id && a.className === b.className;
  }

  function removed(node) {
    const after = node.nextSibling;
    node.remove();
    return after;
  }

  async function refresh() {
    if (waiting) {
      again = true;
      return;
    }
    waiting = true;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      if (answer.redirected) {
        location.assign(answer.url);
        return;
      }
      if (answer.ok) {
        const next = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("live");
        if (next) {
          takeOver(live, next);
          document.dispatchEvent(new Event("live:changed"));
        } else {
          location.reload();
        }
      }
    } catch {
      // The stream comes back by itself, and with it the next refresh.
    }
    setTimeout(() => {
      waiting = false;
      if (again) {
        again = false;
        refresh();
      }
    }, PAUSE_MS);
  }

  const stream = new EventSource(live.dataset.events);
  stream.addEventListener("status", () => {
    // The first event tells what the page already shows.
    if (!first) refresh();
    first = false;
  });
  stream.addEventListener("error", () => {
    // A stream that is closed for good means that the session is over.
    if (stream.readyState === EventSource.CLOSED) refresh();
    first = false;
  });
  window.addEventListener("pagehide", () => stream.close());
  setInterval(() => document.visibilityState === "visible" && refresh(), RELOAD_MS);
})();
