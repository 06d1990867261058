export default ({data, parentElement}) => {
  const root = parentElement.querySelector('.bl-drawing');
  root.setAttribute('aria-label', data.alt);
  root.style.maxInlineSize = data.width + 'px';
  root.innerHTML = data.svg;
}
