export default ({data, parentElement, setTriggerValue}) => {
  const root = parentElement.querySelector('.bl-gallery');
  root.style.setProperty('--bl-tile', data.size + 'px');
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
      line.dir = 'auto';
      line.textContent = text;
      button.append(line);
    }
    button.onclick = () => setTriggerValue('picked', index);
    return button;
  }));
}
