// A window that slides over a picture of numbers: every product of its sum, and the answer as it grows.
const make = (tag, className, text) => {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
};

const MINUS = '\u2212';
const written = (value) => {
  const text = Number.isInteger(value) ? String(value) : String(parseFloat(value.toPrecision(7)));
  return text.replaceAll('-', MINUS);
};
const signed = (value) => (value < 0 ? `(${written(value)})` : written(value));
const tint = (value, most) => `${most ? Math.round(72 * Math.min(1, Math.abs(value) / most)) : 0}%`;
const largest = (grids) => grids.flat(Infinity).reduce((most, value) => Math.max(most, Math.abs(value)), 0);

export default ({data, parentElement, setTriggerValue}) => {
  const root = parentElement.querySelector('.bl-conv');
  const words = data.words;
  const key = JSON.stringify([data.padded, data.laid, data.output, data.stride, data.dilation]);
  const last = root.bl;
  clearInterval(last?.timer);
  const state = (root.bl = last?.key === key && last.kernel === data.kernel
    ? last
    : {key, kernel: data.kernel, seen: new Set(), at: null, told: null, painting: last?.painting ?? false,
       brush: last?.brush ?? 10});
  const playing = state.timer != null;  // the answer to an earlier step does not end what was begun since
  state.timer = null;
  const out = data.output[data.kernel], rows = out.length, columns = out[0].length, count = rows * columns;
  const laid = data.laid[data.kernel], first = data.first[data.kernel];
  const tall = laid[0].length, wide = laid[0][0].length;
  // What is sent while the page is busy replaces what waits there: until it was taken over it is sent again beside it.
  if (data.taken === root.sent?.at) root.sent = {};
  const tell = (event) => {
    const {cell, all, kernel, ...numbers} = root.sent ?? {};
    root.sent = {...numbers, ...event, at: Date.now()};
    setTriggerValue('event', root.sent);
  };
  if (data.cell !== null && data.cell !== state.told && data.cell < count) {
    state.at = state.told = data.cell;
    state.seen.add(data.cell);
  }
  if (data.all) for (let i = 0; i < count; i++) state.seen.add(i);

  // --- grids -----------------------------------------------------------------------------------------------------
  const grid = (values, label, className) => {
    const box = make('div', 'box');
    box.append(make('p', 'label', label));
    const cells = make('div', `cells ${className}`);
    cells.style.setProperty('--n', values[0].length);
    box.append(cells);
    return [box, cells];
  };
  const paint = (node, value, most) => {
    node.style.setProperty('--tint', tint(value, most));
    node.classList.toggle('below', value < 0);
    node.classList.toggle('long', written(value).length > 4);
    node.classList.toggle('longer', written(value).length > 7);
  };
  // all grids beside each other where there is room for cells that can be read
  const fit = () => {
    const across = data.padded[0][0].length * data.padded.length + wide * laid.length + columns;
    const room = root.clientWidth - 130 - 16 * (data.padded.length + laid.length) - 2 * across;
    root.style.setProperty('--side', `${Math.max(25, Math.min(44, Math.floor(room / across)))}px`);
  };
  const alarm = make('p', 'alarm');
  alarm.setAttribute('role', 'alert');

  const editable = (value, most, label, put) => {
    const field = make('input', 'cell');
    field.value = written(value);
    field.inputMode = 'decimal';
    field.setAttribute('aria-label', label);
    paint(field, value, most);
    field.onfocus = () => field.select();
    field.onchange = () => {
      const text = field.value.trim().replace(MINUS, '-').replace(',', '.');
      const number = Number(text);
      if (text === '' || !Number.isFinite(number) || Math.abs(number) > 1e6) {
        alarm.textContent = words.bad.replace('{word}', field.value.slice(0, 20));
        field.value = written(value);
        return;
      }
      alarm.textContent = '';
      put(number);
    };
    field.onkeydown = (event) => { if (event.key === 'Enter') field.blur(); };
    return field;
  };

  const picture = structuredClone(data.picture), kernels = structuredClone(data.kernels);
  const most = largest(data.padded), heavy = largest(data.laid), strong = largest(data.output);
  const inputs = make('div', 'part');
  const over = new Map();  // "channel row column" of the padded picture -> its node
  const p = data.padding;
  data.padded.forEach((channel, c) => {
    const name = data.padded.length > 1 ? words.channel.replace('{n}', c + 1) : words.picture;
    const [box, cells] = grid(channel, name, 'in');
    box.classList.toggle('unseen', c < first || c >= first + laid.length);
    channel.forEach((line, i) => line.forEach((value, j) => {
      const inner = i >= p && j >= p && i < channel.length - p && j < line.length - p;
      const cell = make('span', inner ? 'hold' : 'hold margin');
      if (inner) {
        const field = editable(value, most, `${name} ${i - p + 1}, ${j - p + 1}`, (number) => {
          picture[c][i - p][j - p] = number;
          tell({picture});
        });
        field.dataset.place = `${c} ${i - p} ${j - p}`;
        cell.append(field);
      } else {
        const still = make('span', 'cell', written(value));
        paint(still, value, most);
        cell.append(still);
      }
      cell.append(make('sub'));
      over.set(`${c} ${i} ${j}`, cell);
      cells.append(cell);
    }));
    inputs.append(box);
  });

  const middle = make('div', 'part');
  laid.forEach((slice, s) => {
    const name = laid.length > 1 ? words.slice.replace('{n}', first + s + 1) : words.kernel;
    const [box, cells] = grid(slice, name, 'kernel');
    slice.forEach((line, i) => line.forEach((value, j) => {
      const from = data.flipped ? [tall - 1 - i, wide - 1 - j] : [i, j];
      cells.append(editable(value, heavy, `${name} ${i + 1}, ${j + 1}`, (number) => {
        kernels[data.kernel][s][from[0]][from[1]] = number;
        tell({kernels});
      }));
    }));
    middle.append(box);
  });

  const answer = make('div', 'part');
  const [box, outs] = grid(out, words.answer, 'out');
  outs.tabIndex = 0;
  outs.setAttribute('role', 'grid');
  outs.setAttribute('aria-label', words.answer);
  const results = [];
  out.forEach((line, i) => line.forEach((value, j) => {
    const cell = make('button', 'cell');
    cell.type = 'button';
    cell.tabIndex = -1;
    cell.onclick = () => { stop(); go(i * columns + j, true); };
    results.push(cell);
    outs.append(cell);
  }));
  answer.append(box);

  // --- the sum ---------------------------------------------------------------------------------------------------
  const sum = make('div', 'sum');
  sum.setAttribute('aria-live', 'polite');
  const terms = () => {
    sum.replaceChildren();
    for (const node of over.values()) { node.classList.remove('under'); node.lastChild.textContent = ''; }
    results.forEach((node, index) => {
      const value = out[Math.floor(index / columns)][index % columns], known = state.seen.has(index);
      node.textContent = known ? written(value) : '';
      paint(node, known ? value : 0, strong);
      node.classList.toggle('at', index === state.at);
      node.setAttribute('aria-label', known ? written(value) : words.hidden);
    });
    if (state.at === null) { sum.append(make('p', 'hint', words.hint)); return; }
    const row = Math.floor(state.at / columns), column = state.at % columns;
    const line = make('p', 'terms');
    laid.forEach((slice, s) => slice.forEach((weights, i) => weights.forEach((weight, j) => {
      const y = row * data.stride + i * data.dilation, x = column * data.stride + j * data.dilation;
      const value = data.padded[first + s][y][x];
      const node = over.get(`${first + s} ${y} ${x}`);
      node.classList.add('under');
      node.lastChild.textContent = `×${written(weight)}`;
      const term = make('span', value * weight === 0 ? 'term nought' : 'term', `${signed(value)} × ${signed(weight)}`);
      term.title = `${written(value)} × ${written(weight)} = ${written(value * weight)}`;
      if (line.childNodes.length) line.append(make('i', '', '+'));
      line.append(term);
    })));
    line.append(make('i', '', '='), make('b', 'total', written(out[row][column])));
    sum.append(make('p', 'where', words.where.replace('{row}', row + 1).replace('{column}', column + 1)), line);
  };

  const go = (index, report) => {
    state.at = index;
    state.seen.add(index);
    if (report) { state.told = index; tell({cell: index}); }
    terms();
    tools();
  };
  const stop = () => {
    const was = state.timer !== null;
    clearInterval(state.timer);
    state.timer = null;
    return was;
  };
  const step = () => {
    const next = state.at === null ? 0 : state.at + 1;
    if (next >= count) { stop(); state.told = state.at; tell({cell: state.at}); tools(); return; }
    go(next, false);
  };
  const play = () => {
    if (stop()) { state.told = state.at; tell({cell: state.at}); tools(); return; }
    if (state.at === count - 1) { state.at = null; state.seen.clear(); }
    run();
    step();
    tools();
  };
  const run = () => { state.timer = setInterval(step, count > 60 ? 220 : 650); };

  // --- what can be pressed ---------------------------------------------------------------------------------------
  const bar = make('div', 'bar');
  const button = (symbol, label, act, pressed) => {
    const node = make('button');
    node.type = 'button';
    const sign = make('span', 'symbol', symbol);
    sign.setAttribute('aria-hidden', 'true');
    node.append(sign, make('span', '', label));
    if (pressed !== undefined) node.setAttribute('aria-pressed', String(pressed));
    node.onclick = act;
    bar.append(node);
    return node;
  };
  const tools = () => {
    const focused = root.getRootNode().activeElement?.dataset?.tool;
    bar.replaceChildren();
    const made = [
      ['play', state.timer === null ? button('play_arrow', words.play, play) : button('pause', words.pause, play)],
      ['step', button('skip_next', words.step, () => { stop(); go(state.at === null ? 0 : (state.at + 1) % count, true); })],
      ['all', button('select_all', words.all, () => {
        stop();
        for (let i = 0; i < count; i++) state.seen.add(i);
        if (state.at === null) state.at = 0;
        terms(); tools(); tell({all: true});
      })],
      ['again', button('restart_alt', words.again, () => {
        stop(); state.seen.clear(); state.at = state.told = null; terms(); tools(); tell({cell: -1});
      })],
      ['paint', button('brush', words.paint, () => { state.painting = !state.painting; brushing(); tools(); }, state.painting)],
    ];
    for (const [name, node] of made) node.dataset.tool = name;
    if (state.painting) {
      const field = make('input', 'brush');
      field.value = written(state.brush);
      field.inputMode = 'decimal';
      field.setAttribute('aria-label', words.brush);
      field.title = words.brush;
      field.onchange = () => {
        const number = Number(field.value.replace(MINUS, '-').replace(',', '.'));
        if (field.value.trim() !== '' && Number.isFinite(number)) state.brush = number;
        field.value = written(state.brush);
      };
      bar.append(field);
    }
    data.kernels.length > 1 && data.kernels.forEach((_kernel, index) => {
      const node = button('', words.map.replace('{n}', index + 1), () => { stop(); tell({kernel: index}); },
        index === data.kernel);
      node.firstChild.remove();
      node.classList.add('map');
    });
    if (focused) bar.querySelector(`[data-tool="${focused}"]`)?.focus();
  };

  // --- painting --------------------------------------------------------------------------------------------------
  const brushing = () => {
    root.classList.toggle('painting', state.painting);
    inputs.querySelectorAll('input').forEach((field) => { field.readOnly = state.painting; });
  };
  let changed = false;
  const dab = (event) => {
    const field = root.getRootNode().elementFromPoint(event.clientX, event.clientY);
    if (!field?.dataset?.place) return;
    const [c, i, j] = field.dataset.place.split(' ').map(Number);
    if (picture[c][i][j] === state.brush) return;
    picture[c][i][j] = state.brush;
    changed = true;
    field.value = written(state.brush);
    paint(field, state.brush, Math.max(most, Math.abs(state.brush)));
  };
  inputs.onpointerdown = (event) => {
    if (!state.painting) return;
    event.preventDefault();
    dab(event);
    inputs.onpointermove = dab;
    const done = () => {
      inputs.onpointermove = null;
      if (changed) { changed = false; tell({picture}); }
    };
    window.addEventListener('pointerup', done, {once: true});
  };

  outs.onkeydown = (event) => {
    const move = {ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns}[event.key];
    if (!move) return;
    event.preventDefault();
    const next = (state.at ?? 0) + (state.at === null ? 0 : move);
    if (next >= 0 && next < count) { stop(); go(next, true); }
  };

  const focus = root.getRootNode().activeElement?.getAttribute?.('aria-label');
  const flow = make('div', 'flow');
  flow.append(inputs, make('div', 'sign', '∗'), middle, make('div', 'sign', '='), answer);
  root.replaceChildren(bar, flow, alarm, sum);
  root.setAttribute('aria-label', data.alt);
  if (playing) run();
  tools();
  terms();
  brushing();
  fit();
  const watch = new ResizeObserver(fit);
  watch.observe(root);
  if (focus) root.querySelector(`[aria-label="${CSS.escape(focus)}"]`)?.focus();
  return () => { clearInterval(state.timer); watch.disconnect(); };
};
