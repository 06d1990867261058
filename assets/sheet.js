export default ({data, parentElement, setTriggerValue}) => {
  const root = parentElement.querySelector('.bl-sheet');
  const image = root.querySelector('img');
  const over = root.querySelector('.over'), chosen = root.querySelector('.chosen');
  const label = root.querySelector('output');
  root.setAttribute('aria-label', data.alt);
  image.alt = data.alt;
  if (image.src !== data.src) image.src = data.src;
  const sharpen = () => {
    image.style.imageRendering = image.clientWidth * devicePixelRatio >= data.width ? 'pixelated' : 'auto';
  };
  image.onload = sharpen;
  const watch = new ResizeObserver(sharpen);
  watch.observe(image);
  let at = data.chosen ?? 0;
  const place = (frame, index) => {
    const column = index % data.columns, row = Math.floor(index / data.columns);
    frame.style.display = 'block';
    frame.style.left = 100 * column * (data.tile[1] + data.gutter) / data.width + '%';
    frame.style.top = 100 * row * (data.tile[0] + data.gutter) / data.height + '%';
    frame.style.width = 100 * data.tile[1] / data.width + '%';
    frame.style.height = 100 * data.tile[0] / data.height + '%';
  };
  const tell = (index) => {
    place(over, index);
    label.textContent = data.label.replace('{n}', data.names ? data.names[index] : index);
    label.style.display = 'block';
    label.style.left = Math.min(parseFloat(over.style.left), 88) + '%';
    label.style.top = 'calc(' + (parseFloat(over.style.top) + parseFloat(over.style.height)) + '% + 4px)';
  };
  const quiet = () => { over.style.display = label.style.display = 'none'; };
  if (data.chosen === null) chosen.style.display = 'none'; else place(chosen, data.chosen);
  const under = (event) => {
    const box = image.getBoundingClientRect();
    const column = Math.floor((event.clientX - box.left) / box.width * data.width / (data.tile[1] + data.gutter));
    const row = Math.floor((event.clientY - box.top) / box.height * data.height / (data.tile[0] + data.gutter));
    const index = row * data.columns + column;
    return column >= 0 && column < data.columns && index >= 0 && index < data.count ? index : null;
  };
  root.onmousemove = (event) => { const index = under(event); index === null ? quiet() : tell(index); };
  root.onmouseleave = quiet;
  root.onblur = quiet;
  root.onclick = (event) => {
    const index = under(event);
    if (index !== null) { at = index; place(chosen, at); setTriggerValue('picked', index); }
  };
  root.onkeydown = (event) => {
    const step = {ArrowRight: 1, ArrowLeft: -1, ArrowDown: data.columns, ArrowUp: -data.columns}[event.key];
    if (step) {
      at = Math.min(Math.max(at + step, 0), data.count - 1);
      tell(at);
      event.preventDefault();
    } else if (event.key === 'Enter' || event.key === ' ') {
      place(chosen, at);
      setTriggerValue('picked', at);
      event.preventDefault();
    }
  };
  return () => watch.disconnect();
}
