// Keeps a page fresh: follows its events, and fetches the page again at most once a second.
"use strict";
(() => {
  const PAUSE_MS = 1000;
  const BUSY_MS = 2000;
  const AGAIN_MS = 3000;
  const live = document.getElementById("live");
  const address = document.body.dataset.events;
  if (!address || !live || !window.EventSource) return;
  let last = Date.now(), due = 0, asking = false;

  // Shows what is wrong, or that the page is live.
  const say = (wrong) => {
    live.textContent = wrong || "live";
    live.classList.toggle("on", !wrong);
  };

  // Describes a node, so that its counterpart is found in the new page.
  const mark = (main, node) => {
    const name = ["href", "aria-label"].find((it) => node.hasAttribute(it));
    const value = name ? `[${name}="${CSS.escape(node.getAttribute(name))}"]` : "";
    const selector = node.tagName + value;
    return { selector, nth: [...main.querySelectorAll(selector)].indexOf(node) };
  };
  const found = (main, { selector, nth }) => main.querySelectorAll(selector)[nth];

  const take = (text) => {
    const fresh = new DOMParser().parseFromString(text, "text/html");
    const now = fresh.getElementById("main"), main = document.getElementById("main");
    if (!now || !main) return;
    const focused = main.contains(document.activeElement) && document.activeElement !== main ? mark(main, document.activeElement) : null;
    const opened = [...main.querySelectorAll("details[open]")].map((node) => mark(main, node));
    main.replaceChildren(...now.childNodes);
    opened.forEach((it) => { const node = found(main, it); if (node) node.open = true; });
    if (focused) { const node = found(main, focused); if (node) node.focus({ preventScroll: true }); }
    document.title = fresh.title;
    document.body.toggleAttribute("data-busy", fresh.body.hasAttribute("data-busy"));
  };

  const refresh = async () => {
    due = 0;
    if (asking || document.hidden) return;
    asking = true;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (answer.ok) take(await answer.text());
      say(answer.ok ? "" : "the cluster does not answer; trying again");
    } catch {
      say("this master does not answer; trying again");
    }
    asking = false;
    last = Date.now();
  };
  const soon = () => {
    if (!due) due = setTimeout(refresh, Math.max(0, last + PAUSE_MS - Date.now()));
  };

  const listen = () => {
    const stream = new EventSource(address);
    stream.onopen = () => { say(""); soon(); };
    stream.onerror = () => {
      say("not connected; trying again");
      // A browser reconnects after a cut connection, but not after an error, for example while no master leads.
      if (stream.readyState === EventSource.CLOSED) setTimeout(listen, AGAIN_MS);
    };
    for (const name of ["job_submitted", "job_moved", "job_forgotten", "attempt_started", "attempt_ended", "worker_registered",
      "worker_draining", "worker_left", "worker_lost", "output_lost", "gap"]) stream.addEventListener(name, soon);
  };
  listen();
  setInterval(() => { if (document.body.hasAttribute("data-busy")) soon(); }, BUSY_MS);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) soon(); });
})();
