// What the browser keeps between visits. Where it keeps nothing (site data may be blocked), the page works and forgets.

/** What was kept under a name, or null. */
export function recall(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null; // blocked: the very name throws
  }
}

export function keep(name, text) {
  try {
    localStorage.setItem(name, text);
  } catch {
    // blocked, or full: it is asked for again at the next visit
  }
}
