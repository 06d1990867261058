// One entry of the browser's history for each thing a person did. The server writes the address whenever it knows
// more, and each time Streamlit adds an entry: one that no click or key stands before replaces the last one instead.
// What was added before this program was there is passed by on the way back; the entries since bear a mark.
// After a click on a link to another page, that page's address may come before Streamlit has turned to its path; under
// the old path it would be an entry that was never there, so it waits for the path, which brings it along.
const MARK = {backboneLab: true};

export default () => {
  if (window.backboneLabHistory) return;
  window.backboneLabHistory = true;
  const push = history.pushState.bind(history), replace = history.replaceState.bind(history);
  const path = (url) => new URL(url ?? '', location.href).pathname;
  let acted = false, leaving = false;
  for (const event of ['pointerdown', 'keydown', 'drop']) {
    window.addEventListener(event, () => { acted = true; leaving = false; }, {capture: true, passive: true});
  }
  window.addEventListener('click', (event) => {
    const link = event.target.closest?.('a[href]');
    const here = link && (link.target || '_self') === '_self' && !link.download && link.origin === location.origin;
    leaving = Boolean(here) && link.pathname !== location.pathname && !(event.ctrlKey || event.metaKey || event.shiftKey);
  }, {capture: true, passive: true});
  history.replaceState = (state, unused, url) => {
    if (!leaving || path(url) !== location.pathname) replace({...state, ...MARK}, unused, url);
  };
  history.pushState = (state, unused, url) => {
    const same = path(url) === location.pathname;
    if (same && leaving) return;
    if (acted) push({...state, ...MARK}, unused, url);
    else history.replaceState(state, unused, url);
    acted = leaving = false;
  };
  history.replaceState(history.state, '');
  window.addEventListener('popstate', (event) => {
    acted = leaving = false;
    if (!event.state?.backboneLab && !location.hash) history.back();
  });
};
