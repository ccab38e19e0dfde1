'use strict';
(() => {
  const EVERY = 5000, FIRST = 1000, PATIENCE = 4000;
  const run = document.currentScript.dataset.run;
  const elements = document.querySelectorAll('[data-l]');
  const lost = document.getElementById('lost');
  let timer, busy = false;

  const put = (element, part) => {
    for (const [name, value] of Object.entries(part)) {
      if (name === 'text') {
        if (element.textContent !== value) element.textContent = value;
      } else if (element.getAttribute(name) !== value) {
        element.setAttribute(name, value);
      }
    }
  };

  const look = async () => {
    if (busy || document.hidden) return;
    busy = true;
    clearTimeout(timer);
    try {
      const answer = await fetch('-/status.json', { signal: AbortSignal.timeout(PATIENCE) });
      if (!answer.ok) throw new Error(answer.status);
      const now = await answer.json();
      // Another agent or another configuration has other parts.
      if (now.run !== run) return location.reload();
      for (const element of elements) {
        const part = now.parts[element.dataset.l];
        if (part) put(element, part);
      }
      lost.hidden = true;
    } catch {
      lost.hidden = false;
    } finally {
      busy = false;
      timer = setTimeout(look, EVERY);
    }
  };

  document.addEventListener('visibilitychange', look);
  timer = setTimeout(look, FIRST);
})();
