const LEFTWARD = /((?:[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]+[\s\d._-]+)*[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]+)/;

export default ({data, parentElement, setTriggerValue}) => {
  const root = parentElement.querySelector('.bl-gallery');
  root.style.setProperty('--bl-tile', data.size + 'px');
  const shown = data.tiles.map((tile) => tile.alt).join('\n');
  const boxes = [...root.querySelectorAll('input')];
  // Ticks that were sent and are not taken over yet hold; the next ones are sent with them.
  if (data.ticked !== null && root.sent && root.sent.at !== data.taken && root.sent.shown === shown) data = {...data, ticked: root.sent.boxes};
  const focused = boxes.indexOf(root.getRootNode().activeElement);
  root.replaceChildren(...data.tiles.map((tile, index) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.title = tile.help;
    if (data.chosen !== null) button.setAttribute('aria-pressed', String(index === data.chosen));
    const image = document.createElement('img');
    image.src = tile.src;
    image.alt = tile.alt;
    if (data.pixelated) image.className = 'pixelated';
    button.append(image);
    for (const [kind, text] of [['b', tile.caption], ['span', tile.note]]) {
      if (!text) continue;
      const line = document.createElement(kind);
      // No name turns what stands beside it: neither by a sign, nor by being written from right to left.
      const plain = text.replace(/[\u202a-\u202e\u2066-\u2069]/g, '\ufffd');
      for (const part of plain.split(LEFTWARD)) {
        line.append(part);
        if (LEFTWARD.test(part)) {
          const name = document.createElement('bdi');
          name.append(line.lastChild);
          line.append(name);
        }
      }
      button.append(line);
    }
    button.onclick = () => setTriggerValue('picked', index);
    if (data.ticked === null) return button;
    const cell = document.createElement('div');
    const label = document.createElement('label');
    const box = document.createElement('input');
    box.type = 'checkbox';
    box.checked = data.ticked.includes(index);
    box.ariaLabel = data.tick + ': ' + tile.alt;
    label.title = data.tick;
    cell.classList.toggle('ticked', box.checked);
    box.onchange = () => {
      cell.classList.toggle('ticked', box.checked);
      const boxes = [...root.querySelectorAll('input')].flatMap((each, place) => each.checked ? [place] : []);
      root.sent = {boxes, shown, at: Date.now()};
      setTriggerValue('ticked', {boxes, at: root.sent.at});
    };
    label.append(box);
    cell.append(button, label);
    return cell;
  }));
  if (focused >= 0) root.querySelectorAll('input')[focused]?.focus({preventScroll: true});
  const chosen = root.children[data.chosen ?? -1];
  if (data.reveal && chosen) {
    // What stands above is still growing for a while after the page was changed: stay until a person takes over.
    const show = () => chosen.scrollIntoView({block: 'center'});
    const watch = new ResizeObserver(show);
    const leave = new AbortController();
    const end = () => { watch.disconnect(); leave.abort(); };
    watch.observe(root.ownerDocument.querySelector('[data-testid="stMainBlockContainer"]') ?? root);
    for (const event of ['wheel', 'touchstart', 'keydown', 'pointerdown']) window.addEventListener(event, end, {signal: leave.signal});
    setTimeout(end, 4000);
    (chosen.querySelector('button') ?? chosen).focus({preventScroll: true});
    show();
    return end;
  }
}
