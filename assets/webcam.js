// A burst of pictures a class: while a button is held, frames are taken. They stay in the browser until they are sent,
// a batch at a time, the next one when the server has the last.
const PER_SECOND = 10, BATCH = 24, SHOWN = 6;

export default ({data, parentElement, setTriggerValue}) => {
  const root = parentElement.querySelector('.bl-webcam'), at = (name) => root.querySelector(name);
  const video = at('video'), say = at('.say'), start = at('.start'), send = at('.send'), bar = at('progress');
  const here = root.state ??= {frames: [], stream: null, held: null, sending: null, lot: data.lot};
  here.data = data;  // handlers outlive the call that made them
  const words = (text, n) => text.replace('{n}', String(n));
  const state = (text) => { say.textContent = text; say.hidden = !text; };

  if (here.lot !== data.lot) Object.assign(here, {frames: [], sending: null, lot: data.lot});
  while (here.frames.length < here.data.classes.length) here.frames.push([]);
  if (data.refused && here.sending) here.sending = null;

  const release = () => { clearInterval(here.held); here.held = null; draw(); };
  const stop = () => {
    release();
    here.stream?.getTracks().forEach((track) => track.stop());
    here.stream = video.srcObject = null;
    draw();
  };
  const shoot = (place) => {
    if (!root.isConnected || !here.stream || here.frames[place].length >= here.data.most) return release();
    if (video.videoWidth) here.frames[place].push(frame(video));
    draw();
  };
  const hold = (place) => {
    if (here.held || here.sending || !here.stream) return;
    here.held = setInterval(() => shoot(place), 1000 / PER_SECOND);
    here.place = place;
    shoot(place);
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
    } catch (error) { stop(); state(here.data.labels[why(error)]); }
    draw();
  };

  // Frames in the order of their classes; the server names the number of the batch that it had last.
  const pump = () => {
    const {all, sent} = here.sending, batch = all.slice(sent * BATCH, (sent + 1) * BATCH);
    bar.value = Math.min(1, sent * BATCH / all.length);
    if (!batch.length) return;
    here.sending.waits = sent + 1;
    setTriggerValue('batch', {lot: here.lot, number: sent + 1, frames: batch, last: (sent + 1) * BATCH >= all.length});
  };
  send.onclick = () => {
    const all = here.frames.slice(0, here.data.classes.length)
      .flatMap((list, place) => list.map((url) => [place, url.slice(url.indexOf(',') + 1)]));
    here.sending = {all, sent: 0};
    draw();
    pump();
  };

  const button = (className, text, disabled) => {
    const made = document.createElement('button');
    Object.assign(made, {type: 'button', className, textContent: text, disabled});
    return made;
  };
  const card = (place) => {
    const made = document.createElement('div'), title = document.createElement('b'), row = document.createElement('div');
    const press = button('hold', here.data.labels.hold, false), last = button('last', here.data.labels.last, false);
    made.className = 'class';
    title.dir = 'auto';
    row.className = 'row';
    press.onpointerdown = (event) => { if (event.button === 0) { press.setPointerCapture(event.pointerId); hold(place); } };
    // The button before loses the focus only when this one is held already.
    press.onpointerup = press.onpointercancel = press.onlostpointercapture = press.onblur =
      () => { if (here.place === place) release(); };
    press.onkeydown = (event) => { if ([' ', 'Enter'].includes(event.key) && !event.repeat) { event.preventDefault(); hold(place); } };
    press.onkeyup = release;
    press.oncontextmenu = (event) => event.preventDefault();
    last.onclick = () => { here.frames[place].pop(); draw(); };
    made.append(title, document.createElement('span'), press, last, row);
    return made;
  };
  const list = at('.classes');
  if (list.children.length !== here.data.classes.length || here.words !== here.data.labels.hold) {
    here.words = here.data.labels.hold;
    list.replaceChildren(...here.data.classes.map((_, place) => card(place)));
  }
  function draw() {
    start.textContent = here.stream ? here.data.labels.stop : here.data.labels.start;
    video.hidden = !here.stream;
    [...list.children].forEach((made, place) => {
      const frames = here.frames[place], [title, count, press, last, row] = made.children;
      title.textContent = here.data.classes[place];
      count.textContent = words(here.data.labels.count, frames.length);
      press.disabled = !here.stream || Boolean(here.sending);
      last.disabled = !frames.length || Boolean(here.sending);
      const shown = frames.slice(-SHOWN).reverse();
      while (row.children.length > shown.length) row.lastChild.remove();
      shown.forEach((url, n) => {
        const image = row.children[n] ?? row.appendChild(document.createElement('img'));
        if (image.src !== url) image.src = url;
        image.alt = here.data.classes[place];
      });
    });
    const full = here.frames.slice(0, here.data.classes.length).filter((frames) => frames.length).length;
    send.textContent = here.data.labels.send;
    send.disabled = full < 2 || Boolean(here.sending);
    send.title = full < 2 ? here.data.labels.few : '';
    bar.hidden = !here.sending;
  }
  draw();
  if (here.sending?.waits && data.got === here.sending.waits) {
    here.sending.sent = here.sending.waits;
    here.sending.waits = 0;
    pump();
  }
  clearInterval(here.watch);
  here.watch = setInterval(() => { if (!root.isConnected) { clearInterval(here.watch); stop(); } }, 1000);
}
