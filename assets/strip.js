export default ({data, parentElement, setTriggerValue}) => {
  const root = parentElement.querySelector('.bl-strip');
  const row = root.querySelector('.row');
  root.pick = (index) => setTriggerValue('picked', index);

  for (const [name, step] of [['.before', -1], ['.after', 1]]) {
    const arrow = root.querySelector(name), place = data.chosen + step;
    arrow.title = data.labels[name];
    arrow.setAttribute('aria-label', data.labels[name]);
    arrow.disabled = place < 0 || place >= data.count;
    arrow.onclick = () => root.pick(place);
  }
  row.setAttribute('aria-label', data.labels.row);
  // What is shown already stays: a picture that is pressed at this moment is still there when it is let go.
  const drawn = JSON.stringify([data.first, data.tiles]);
  if (root.drawn !== drawn) {
    row.replaceChildren(...data.tiles.map((tile, position) => {
      const button = document.createElement('button');
      button.type = 'button';
      button.title = tile.title;
      const image = document.createElement('img');
      if (tile.src) image.src = tile.src;
      image.alt = tile.title;
      if (tile.sharp) image.className = 'sharp';
      button.append(image);
      button.onclick = () => root.pick(data.first + position);
      return button;
    }));
    root.drawn = drawn;
  }
  [...row.children].forEach((button, position) => {
    button.setAttribute('aria-pressed', String(data.first + position === data.chosen));
  });
  row.onkeydown = (event) => {
    const step = {ArrowRight: 1, ArrowLeft: -1}[event.key];
    const next = step && (step > 0 ? event.target.nextElementSibling : event.target.previousElementSibling);
    if (next) { next.focus(); event.preventDefault(); }
  };
  const chosen = row.querySelector('[aria-pressed="true"]');
  if (chosen) row.scrollLeft = chosen.offsetLeft - (row.clientWidth - chosen.offsetWidth) / 2;
}
