// What the network says of what the camera sees: a frame goes to the server, the next one when its answer is there.
const PAUSE = 500, PATIENCE = 8000;

export default ({data, parentElement, setTriggerValue}) => {
  const root = parentElement.querySelector('.bl-live'), at = (name) => root.querySelector(name);
  const video = at('video'), say = at('.say'), start = at('.start'), word = at('.word'), list = at('ol');
  const here = root.state ??= {stream: null, number: 0, since: 0, next: null};
  here.data = data;  // handlers outlive the call that made them
  const state = (text) => { say.textContent = text; say.hidden = !text; };

  const shoot = () => {
    if (!root.isConnected || !here.stream) return;
    if (!video.videoWidth || document.hidden) return wait(PAUSE);
    const url = frame(video, here.data.side);
    here.number += 1;
    here.since = performance.now();
    setTriggerValue('frame', {number: here.number, data: url.slice(url.indexOf(',') + 1)});
    wait(PATIENCE);  // what got lost on the way is asked again
  };
  const wait = (ms) => { clearTimeout(here.next); here.next = setTimeout(shoot, ms); };
  const stop = () => {
    clearTimeout(here.next);
    here.stream?.getTracks().forEach((track) => track.stop());
    here.stream = video.srcObject = null;
    draw();
  };
  start.onclick = async () => {
    if (here.stream) return stop();
    if (!navigator.mediaDevices?.getUserMedia) return state(here.data.labels.insecure);
    state(here.data.labels.asking);
    try {
      here.stream = await navigator.mediaDevices.getUserMedia({video: {width: {ideal: 640}, height: {ideal: 480}}});
      if (!root.isConnected) return stop();
      video.srcObject = here.stream;
      here.stream.getVideoTracks()[0].onended = () => { stop(); state(here.data.labels.gone); };
      await video.play();
      state('');
      wait(0);
    } catch (error) { stop(); state(here.data.labels[why(error)]); }
    draw();
  };
  function draw() {
    start.textContent = here.stream ? here.data.labels.stop : here.data.labels.start;
    video.hidden = !here.stream;
    root.classList.toggle('off', !here.stream);
    word.textContent = here.data.word;
    while (list.children.length > here.data.top.length) list.lastChild.remove();
    here.data.top.forEach(({name, share, text}, place) => {
      const row = list.children[place] ?? list.appendChild(document.createElement('li'));
      if (!row.children.length) row.append(...['span', 'i', 'b'].map((kind) => document.createElement(kind)));
      const [title, bar, value] = row.children;
      title.textContent = name;
      title.dir = 'auto';
      bar.style.inlineSize = `${Math.max(share, 0.002) * 100}%`;
      value.textContent = text;
    });
  }
  draw();
  if (here.stream && data.number === here.number && here.since) {
    wait(Math.max(0, PAUSE - (performance.now() - here.since)));
    here.since = 0;
  }
  clearInterval(here.watch);
  here.watch = setInterval(() => { if (!root.isConnected) { clearInterval(here.watch); stop(); } }, 1000);
}
