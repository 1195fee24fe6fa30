// Plays the videos of one .tfhkit-player in step: one clock, one slider, one sound.
(() => {
  const APART_S = 0.012; // from this offset on, a video is made to catch up or to wait,
  const CLOSE_S = 0.004; // until it is this near; each change of speed costs a video with sound
  const HARD_S = 0.3; // some milliseconds. A larger offset is jumped over.

  const make = (tag, props = {}, ...children) => {
    const node = Object.assign(document.createElement(tag), props);
    node.append(...children);
    return node;
  };

  const button = (text, label, press) => {
    const node = make("button", { type: "button", textContent: text, title: label });
    node.setAttribute("aria-label", label);
    node.addEventListener("click", press);
    return node;
  };

  const choice = (label, options, pick) => {
    const select = make("select");
    for (const [value, text] of options) select.append(new Option(text, value));
    select.addEventListener("change", () => pick(select.value));
    return [make("label", {}, make("span", { textContent: label }), select), select];
  };

  function takeVideo(figure, name) {
    const still = figure.querySelector("img");
    const spare = figure.querySelector("details");
    const video = spare.querySelector("video");
    Object.assign(video, { controls: false, muted: true, playsInline: true, preload: "auto" });
    video.poster = still.src;
    video.width = still.width;
    video.setAttribute("aria-label", still.alt);
    video.dataset.film = name;
    still.replaceWith(video);
    spare.remove();
    return video;
  }

  function setUp(root) {
    root.dataset.ready = "1";
    const { times, end, films } = JSON.parse(root.querySelector("script.facts").textContent);
    const figures = [...root.querySelectorAll("figure")];
    const videos = figures.map((figure, i) => takeVideo(figure, films[i].title));
    const last = times.length - 1;
    const endOf = (k) => (k < last ? times[k + 1] : end);
    const middle = (k) => (times[k] + endOf(k)) / 2;
    const frameAt = (t) => {
      let k = 0;
      while (k < last && times[k + 1] <= t + 0.001) k += 1;
      return k;
    };
    const range = { first: 0, last, on: false };
    let heard = films.findIndex((film) => film.sound);
    let [playing, moving, frame, speed, turn, coming] = [false, false, 0, 1, 0, 0];
    const clock = () => videos[Math.max(heard, 0)];

    // ---- moving all videos to one moment
    const heardOnce = (video, name) =>
      new Promise((done) => video.addEventListener(name, done, { once: true }));

    async function seek(video, t) {
      if (video.readyState < 1) await heardOnce(video, "loadedmetadata");
      if (!video.seeking && Math.abs(video.currentTime - t) < 1e-6) return;
      const done = heardOnce(video, "seeked");
      video.currentTime = t;
      await done;
    }

    async function goTo(t) {
      const mine = ++turn;
      moving = true;
      videos.forEach((video) => video.pause());
      await Promise.all(videos.map((video) => seek(video, t)));
      if (mine === turn) moving = false;
      return mine === turn;
    }

    function show(k) {
      playing = false;
      frame = Math.min(Math.max(k, 0), last);
      paint();
      return goTo(middle(frame));
    }

    async function start(k) {
      playing = true;
      frame = k;
      paint();
      if (!(await goTo(times[k] + 0.001)) || !playing) return;
      try {
        videos.forEach((video) => (video.playbackRate = speed));
        await Promise.all(videos.map((video) => video.play()));
        next();
      } catch (error) {
        if (error.name === "AbortError") return;
        show(frame);
        say(`The browser does not play this: ${error.message}`);
      }
    }

    const stop = () => show(frame);

    function toggle() {
      if (playing) return stop();
      const outside = frame < range.first || frame >= range.last;
      return start(outside ? range.first : frame);
    }

    // ---- while they play: one leads, the others follow
    function next() {
      cancelAnimationFrame(coming);
      coming = requestAnimationFrame(tick);
    }

    function follow(video, ahead) {
      if (Math.abs(ahead) > HARD_S) video.currentTime -= ahead;
      const wants = (share) => {
        const rate = speed * (1 - Math.sign(ahead) * share);
        if (video.playbackRate !== rate) video.playbackRate = rate;
      };
      const [off, turned] = [Math.abs(ahead), Math.sign(speed - video.playbackRate)];
      if (off > 4 * APART_S) wants(0.25);
      else if (turned ? off < CLOSE_S || turned !== Math.sign(ahead) : off < APART_S) wants(0);
      else if (!turned) wants(0.08);
    }

    function tick() {
      const { seeking, paused, ended, currentTime: now } = clock();
      if (!playing || seeking || (paused && !ended)) return;
      if (ended || now >= endOf(range.last) - 0.002) {
        frame = range.last;
        return range.on ? start(range.first) : stop();
      }
      for (const video of videos) {
        if (!video.seeking) follow(video, video.currentTime - now);
      }
      frame = frameAt(now);
      paint();
      next();
    }

    // ---- controls
    const playButton = button("Play", "play or pause (space)", toggle);
    playButton.className = "play";
    const back = button("‹ frame", "one frame back (left arrow)", () => show(frame - 1));
    const forth = button("frame ›", "one frame forward (right arrow)", () => show(frame + 1));
    const slider = make("input", { type: "range", min: 0, max: times[last], step: "any", value: 0 });
    slider.setAttribute("aria-label", "time");
    slider.addEventListener("input", () => show(frameAt(Number(slider.value))));
    const bar = make("div", { className: "range" });
    const readout = make("span", { className: "readout" });
    const status = make("span", { className: "status" });
    status.setAttribute("role", "status");
    const say = (text) => (status.textContent = text);

    function setRange(first, until, on) {
      Object.assign(range, { first, last: until, on });
      const [left, right] = [first, until].map((k) => (100 * times[k]) / times[last]);
      Object.assign(bar.style, { marginLeft: `${left}%`, width: `${right - left}%` });
      bar.hidden = clear.disabled = !on;
      say(on ? `loop: frames ${first} to ${until}` : "");
    }
    const from = button("loop from here", "loop from this frame on ([)", () =>
      setRange(frame, range.on && range.last > frame ? range.last : last, true));
    const to = button("loop to here", "loop up to this frame (])", () =>
      setRange(range.first < frame ? range.first : 0, frame, true));
    const clear = button("no loop", "play to the end, without a loop (escape)", () =>
      setRange(0, last, false));

    const [speeds, speedSelect] = choice("speed",
      [["1", "1"], ["0.5", "0.5"], ["0.25", "0.25"]], (value) => {
        speed = Number(value);
        videos.forEach((video) => (video.playbackRate = speed));
      });
    const sounding = films.map((film, i) => [i, film.title]).filter(([i]) => films[i].sound);
    const [sounds, soundSelect] = choice("sound", [...sounding, [-1, "none"]], (value) => {
      heard = Number(value);
      mute();
    });
    const mute = () => videos.forEach((video, i) => (video.muted = i !== heard));

    function paint() {
      playButton.textContent = playing ? "Pause" : "Play";
      const text = `${times[frame].toFixed(2)} s of ${end.toFixed(2)} s, frame ${frame} of 0 to ${last}`;
      slider.value = times[frame];
      slider.setAttribute("aria-valuetext", text);
      readout.textContent = text;
      root.dataset.frame = frame;
    }

    function giveUp() {
      if (!controls.isConnected) return;
      controls.replaceWith(make("p", { textContent:
        "This browser cannot play these videos (H.264), so it shows their first frames." }));
      for (const video of videos) {
        video.replaceWith(make("img", { src: video.poster, width: video.width,
          alt: video.getAttribute("aria-label") }));
      }
    }

    function key(event) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const onControl = event.target.closest("button, select, a");
      const moves = {
        ArrowLeft: () => show(frame - 1), ArrowRight: () => show(frame + 1),
        Home: () => show(0), End: () => show(last),
        "[": () => from.click(), "]": () => to.click(), Escape: () => clear.click(),
        " ": () => toggle(), // pressed on a button, the space bar is the button's
      };
      if (!(event.key in moves) || event.target.closest("select")) return;
      if (onControl && event.key === " ") return;
      event.preventDefault();
      event.stopPropagation();
      moves[event.key]();
    }

    videos.forEach((video) => {
      video.addEventListener("click", toggle);
      video.addEventListener("timeupdate", () => document.hidden && tick());
      // paused from outside: by a media key, or because the cell's output left the page
      video.addEventListener("pause", () =>
        playing && !moving && video.paused && !video.ended && stop());
      video.addEventListener("error", giveUp, { once: true });
    });
    const group = root.querySelector(".films");
    group.tabIndex = 0;
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", "videos; space plays, arrow keys step by a frame");
    const controls = make("div", { className: "controls" },
      make("div", { className: "track" }, slider, bar),
      make("div", { className: "row" }, playButton, back, forth, readout),
      make("div", { className: "row" }, from, to, clear, speeds, ...(sounding.length ? [sounds] : [])),
      status);
    controls.setAttribute("role", "group");
    controls.setAttribute("aria-label", "player");
    group.after(controls);
    root.addEventListener("keydown", key);
    for (const node of root.querySelectorAll(".films, button, input, select")) {
      node.dataset.lmSuppressShortcuts = "true"; // the arrow keys are ours, not JupyterLab's
    }
    if (sounding.length) soundSelect.value = heard;
    speedSelect.value = "1";
    mute();
    setRange(0, last, false);
    paint();
  }

  const here = document.currentScript?.closest(".tfhkit-player");
  const fresh = document.querySelectorAll(".tfhkit-player:not([data-ready])");
  for (const root of here ? [here] : fresh) if (!root.dataset.ready) setUp(root);
})();
