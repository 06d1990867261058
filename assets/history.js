// One entry of the browser's history for each thing a person did. The server writes the address whenever it knows
// more, and each time Streamlit adds an entry: one that no click or key stands before replaces the last one instead.
export default () => {
  if (window.backboneLabHistory) return;
  window.backboneLabHistory = true;
  const push = history.pushState.bind(history);
  let acted = false;
  for (const event of ['pointerdown', 'keydown', 'drop']) {
    window.addEventListener(event, () => { acted = true; }, {capture: true, passive: true});
  }
  history.pushState = (state, unused, url) => {
    const to = new URL(url ?? '', location.href);
    const same = to.pathname === location.pathname;
    if (same && (!acted || !location.search)) history.replaceState(state, unused, url);
    else push(state, unused, url);
    acted = false;
  };

  // A page opened by its bare address was given the rest of it before this program was there: that entry is no step.
  const opened = performance.getEntriesByType('navigation')[0]?.name;
  const bare = opened && new URL(opened);
  if (!bare || bare.search || !location.search || bare.pathname !== location.pathname) return;
  window.addEventListener('popstate', () => {
    if (location.pathname === bare.pathname && !location.search) history.back();
  });
};
