// The person's camera: why it cannot be had, by the name of what is said then, and one frame of it as a small JPEG.
const why = (error) => ({
  NotAllowedError: 'denied', SecurityError: 'denied', NotFoundError: 'missing', OverconstrainedError: 'missing',
  NotReadableError: 'busy', AbortError: 'busy',
}[error.name] ?? 'other');

const frame = (video, side = 256) => {
  const scale = side / Math.min(video.videoWidth, video.videoHeight), canvas = document.createElement('canvas');
  canvas.width = Math.round(video.videoWidth * scale);
  canvas.height = Math.round(video.videoHeight * scale);
  canvas.getContext('2d').drawImage(video, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL('image/jpeg', 0.85);
};

