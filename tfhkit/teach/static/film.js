// A film in a widget: JPEG files, one behind the other, each decoded shortly before it is due.

const DECODED_BYTES = 120e6; // of pictures that are kept ready

class Film {
  constructor({ sizes, height, width }, data) {
    this.bytes = new Uint8Array(data.buffer ?? data, data.byteOffset ?? 0, data.byteLength);
    this.ends = [];
    sizes.reduce((sum, size, i) => (this.ends[i] = sum + size), 0);
    this.keep = Math.max(12, Math.floor(DECODED_BYTES / (4 * height * width)));
    this.waiting = new Map(); // number of a frame -> promise of its picture
    this.ready = new Map(); // number of a frame -> picture; the one that was asked for last stands last
    this.closed = false;
  }

  get length() {
    return this.ends.length;
  }

  frame(i) {
    const known = this.ready.get(i);
    if (known) {
      this.ready.delete(i);
      this.ready.set(i, known);
      return Promise.resolve(known);
    }
    if (!this.waiting.has(i)) {
      const piece = this.bytes.subarray(i ? this.ends[i - 1] : 0, this.ends[i]);
      const promise = createImageBitmap(new Blob([piece], { type: "image/jpeg" })).then((picture) => {
        this.waiting.delete(i);
        if (this.closed) picture.close();
        else this.ready.set(i, picture);
        while (this.ready.size > this.keep) this.drop(this.ready.keys().next().value);
        return picture;
      });
      this.waiting.set(i, promise);
    }
    return this.waiting.get(i);
  }

  // start decoding the frames that come next; resolves when they are there
  ahead(first, n) {
    const last = Math.min(first + n, this.length);
    return Promise.all(Array.from({ length: Math.max(0, last - first) }, (_, k) => this.frame(first + k)));
  }

  drop(i) {
    this.ready.get(i)?.close();
    this.ready.delete(i);
  }

  close() {
    this.closed = true;
    for (const i of [...this.ready.keys()]) this.drop(i);
  }
}
