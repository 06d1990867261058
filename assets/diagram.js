// The network as rows of parts: its stages, the chosen stage's blocks, the chosen block's layers.
// A part is a button that chooses it, and a switch that freezes it or lets it learn.
const SVG = 'http://www.w3.org/2000/svg';

const make = (tag, className, text) => {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
};

// One arc over each of `skips` ('' | 'add' | 'concat'), side by side, with its mark where the paths meet again.
const arcs = (skips, marked) => {
  const frame = make('div', 'arcs');
  frame.setAttribute('aria-hidden', 'true');
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', `0 0 ${skips.length} 1`);
  svg.setAttribute('preserveAspectRatio', 'none');
  skips.forEach((skip, i) => {
    if (!skip) return;
    const path = document.createElementNS(SVG, 'path');
    path.setAttribute('d', `M ${i + 0.07} 1 C ${i + 0.07} -0.15, ${i + 0.9} -0.15, ${i + 0.9} 1`);
    path.setAttribute('class', skip);
    svg.append(path);
    const mark = make('i', skip, marked ? (skip === 'add' ? '+' : '‖') : '');
    mark.style.left = `${100 * (i + 0.9) / skips.length}%`;
    frame.append(mark);
  });
  frame.prepend(svg);
  return frame;
};

export default ({data, parentElement, setTriggerValue}) => {
  const root = parentElement.querySelector('.bl-anatomy');
  const focused = root.getRootNode().activeElement?.dataset?.id;
  const places = new Map([...root.querySelectorAll('.parts')].map((row) => [row.dataset.level, row.scrollLeft]));
  const tell = (what, name) => setTriggerValue('event', {[what]: name, at: Date.now()});
  root.setAttribute('aria-label', data.label);

  const choice = (part, chosen) => {
    const button = make('button', 'pick');
    button.type = 'button';
    button.dataset.id = `pick ${part.level} ${part.name}`;
    button.setAttribute('aria-label', part.label);
    button.setAttribute('aria-pressed', String(part.name === chosen));
    button.title = part.help;
    button.onclick = () => tell('select', part.name);
    return button;
  };

  const lock = (part) => {
    const button = make('button', 'lock');
    button.type = 'button';
    button.dataset.id = `lock ${part.level} ${part.name}`;
    button.setAttribute('role', 'switch');
    button.setAttribute('aria-checked', part.state === 'partly' ? 'mixed' : String(part.state === 'learns'));
    button.setAttribute('aria-label', part.lock);
    button.title = part.lock;
    button.disabled = !part.free;
    button.append(make('span', 'symbol', part.state === 'frozen' ? 'lock' : 'lock_open'), make('span', '', part.word));
    button.firstChild.setAttribute('aria-hidden', 'true');
    button.onclick = () => tell('toggle', part.name);
    return button;
  };

  const lines = (part, into) => {
    into.append(make('b', '', part.title));
    for (const line of part.lines.filter(Boolean)) into.append(make('span', 'line', line));
  };

  const stage = (part, chosen) => {
    const cell = make('div', 'stage');
    cell.dataset.state = part.state;
    cell.style.flexGrow = part.width;
    const button = choice(part, chosen);
    const skips = part.units.map((unit) => unit.skip);
    const room = make('div', 'room');
    if (skips.some(Boolean)) room.append(arcs(skips, part.marked));
    const box = make('div', 'box');
    box.style.blockSize = `calc(${part.height}px * var(--tall))`;
    for (const unit of part.units.length ? part.units : [{state: part.state}]) {
      const piece = make('i', 'unit');
      piece.dataset.state = unit.state;
      if (unit.name) {
        piece.title = unit.title;
        if (unit.name === part.unit) piece.dataset.chosen = 'yes';
        piece.onclick = (event) => { event.stopPropagation(); tell('select', unit.name); };
      }
      box.append(piece);
    }
    room.append(box);
    button.append(room);
    lines(part, button);
    cell.style.setProperty('--least', `${Math.max(100, 9 * part.units.length + 8)}px`);
    cell.append(button);
    if (part.state !== 'none') cell.append(lock(part));
    return cell;
  };

  const card = (part, chosen, arched) => {
    const cell = make('div', 'card');
    cell.dataset.state = part.state;
    if (arched) cell.append(arcs([part.skip], true));
    const button = choice(part, chosen);
    button.prepend(make('i', 'stripe'));
    lines(part, button);
    cell.append(button);
    if (part.state !== 'none') cell.append(lock(part));
    return cell;
  };

  root.replaceChildren(...data.rows.map((row, level) => {
    const section = make('section', level ? 'inner' : 'outer');
    section.setAttribute('aria-label', row.title);
    if (level) {
      const head = make('h4', '', row.title);
      head.dir = 'auto';
      section.append(head);
    }
    const parts = make('div', 'parts');
    parts.dataset.level = `${level} ${row.title}`;
    parts.setAttribute('role', 'group');
    const arched = row.parts.some((part) => part.skip);
    if (!level) {
      const image = make('div', 'image');
      const box = make('i');
      box.style.blockSize = `calc(${data.height}px * var(--tall))`;
      box.append(make('span', 'symbol', 'image'));
      box.setAttribute('aria-hidden', 'true');
      image.append(box, make('b', '', data.image[0]), ...data.image.slice(1).map((line) => make('span', 'line', line)));
      parts.append(image);
    }
    parts.append(...row.parts.map((part) => (
      level ? card({...part, level}, row.chosen, arched) : stage({...part, level}, row.chosen)
    )));
    parts.onkeydown = (event) => {
      const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
      const kind = event.target.classList?.contains('lock') ? '.lock' : '.pick';
      const all = [...parts.querySelectorAll(kind)];
      const next = step && all[all.indexOf(event.target) + step];
      if (next) { next.focus(); event.preventDefault(); }
    };
    section.append(parts);
    return section;
  }));

  const legend = make('p', 'legend');
  for (const [kind, text] of data.legend) {
    const item = make('span');
    item.append(make('i', `key ${kind}`, {add: '+', concat: '‖'}[kind] ?? ''), make('span', '', text));
    item.lastChild.dir = 'auto';
    legend.append(item);
  }
  root.append(legend);

  for (const row of root.querySelectorAll('.parts')) {
    if (places.has(row.dataset.level)) { row.scrollLeft = places.get(row.dataset.level); }
    const chosen = row.querySelector('[aria-pressed="true"]')?.parentElement;
    if (!chosen) continue;
    const left = chosen.offsetLeft, right = left + chosen.offsetWidth;
    if (left < row.scrollLeft) row.scrollLeft = left - 24;
    else if (right > row.scrollLeft + row.clientWidth) row.scrollLeft = right - row.clientWidth + 24;
  }
  if (focused) root.querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus({preventScroll: true});
}
