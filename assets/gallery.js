const LEFTWARD = /((?:[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]+[\s\d._-]+)*[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]+)/;

const cell = (root, data, shown, tile, index) => {
  const button = document.createElement('button');
  button.type = 'button';
  button.title = tile.help;
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
  button.onclick = () => root.tell('picked', index);
  if (data.ticked === null) return button;
  const both = document.createElement('div');
  const label = document.createElement('label');
  const box = document.createElement('input');
  box.type = 'checkbox';
  box.ariaLabel = data.tick + ': ' + tile.alt;
  label.title = data.tick;
  box.onchange = () => {
    both.classList.toggle('ticked', box.checked);
    const boxes = [...root.querySelectorAll('input')].flatMap((each, place) => each.checked ? [place] : []);
    root.sent = {boxes, shown, at: Date.now()};
    root.tell('ticked', {boxes, at: root.sent.at});
  };
  label.append(box);
  both.append(button, label);
  return both;
};

export default ({data, parentElement, setTriggerValue}) => {
  const root = parentElement.querySelector('.bl-gallery');
  root.style.setProperty('--bl-tile', data.size + 'px');
  root.tell = setTriggerValue;
  const shown = data.tiles.map((tile) => tile.alt).join('\n');
  // Ticks that were sent and are not taken over yet hold; the next ones are sent with them.
  if (data.ticked !== null && root.sent && root.sent.at !== data.taken && root.sent.shown === shown) data = {...data, ticked: root.sent.boxes};
  // What is shown already stays: a picture that is pressed at this moment is still there when it is let go.
  const drawn = JSON.stringify([data.tiles, data.pixelated, data.tick, data.ticked === null]);
  if (root.drawn !== drawn) {
    const focused = [...root.querySelectorAll('input')].indexOf(root.getRootNode().activeElement);
    root.replaceChildren(...data.tiles.map((tile, index) => cell(root, data, shown, tile, index)));
    if (focused >= 0) root.querySelectorAll('input')[focused]?.focus({preventScroll: true});
    root.drawn = drawn;
  }
  root.querySelectorAll('button').forEach((button, index) => {
    if (data.chosen === null) button.removeAttribute('aria-pressed');
    else button.setAttribute('aria-pressed', String(index === data.chosen));
  });
  root.querySelectorAll('input').forEach((box, index) => {
    box.checked = data.ticked.includes(index);
    box.closest('div').classList.toggle('ticked', box.checked);
  });
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
