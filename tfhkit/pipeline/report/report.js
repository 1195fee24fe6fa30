// Until a video was started, a click anywhere on its picture starts it; then it has its controls.
for (const button of document.querySelectorAll('button.play')) {
  const video = button.previousElementSibling;
  const show = () => {
    const begun = video.currentTime > 0 || !video.paused;
    button.hidden = video.controls = begun;
  };
  button.addEventListener('click', () => {
    video.play().then(() => video.focus(), (error) => {
      button.title = `This browser cannot play it: ${error.message}`;
    });
  });
  for (const name of ['play', 'pause', 'seeked', 'ended']) video.addEventListener(name, show);
  show();
}
