// One entry of the browser's history for each thing a person did. The server writes the address whenever it knows
// more, and each time Streamlit adds an entry: one that no click or key stands before replaces the last one instead.
// What was added before this program was there is passed by on the way back; the entries since bear a mark.
const MARK = {backboneLab: true};

export default () => {
  if (window.backboneLabHistory) return;
  window.backboneLabHistory = true;
  const push = history.pushState.bind(history), replace = history.replaceState.bind(history);
  let acted = false;
  for (const event of ['pointerdown', 'keydown', 'drop']) {
    window.addEventListener(event, () => { acted = true; }, {capture: true, passive: true});
  }
  history.replaceState = (state, unused, url) => replace({...state, ...MARK}, unused, url);
  history.pushState = (state, unused, url) => {
    const same = new URL(url ?? '', location.href).pathname === location.pathname;
    if (same && (!acted || !location.search)) history.replaceState(state, unused, url);
    else push({...state, ...MARK}, unused, url);
    acted = false;
  };
  history.replaceState(history.state, '');
  window.addEventListener('popstate', (event) => {
    if (!event.state?.backboneLab && !location.hash) history.back();
  });
};
